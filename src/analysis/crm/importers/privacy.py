"""What may leave the importer: opaque ids, pseudonyms of reps, and words of the configuration.

Reps become pseudonyms by HMAC-SHA-256 under a key that lives outside the data folder and outside any repository; the same
key gives the same pseudonyms, so that imports of different weeks agree, and without the key they cannot be reversed or
recomputed from a list of user ids. Ids that are no opaque ids (names, e-mail addresses) are keyed in the same way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import stat
from pathlib import Path

from analysis.errors import ConfigError, InputError

KEY_BYTES = 32
ENVIRONMENT = "WORKBENCH_KEY_FILE"
OPAQUE = r"[A-Za-z0-9][A-Za-z0-9._:/=-]{0,63}"
EMAIL = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+")
PHONE = re.compile(r"(?<![\w.])(?:\+|00)?\d[\d ()./-]{6,}\d(?![\w])")


def default_key_file() -> Path:
    """Where the key lies unless told otherwise: the user's configuration folder."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "workbench" / "pseudonym.key"


def load_key(path: Path | None, forbidden: tuple[Path, ...] = ()) -> bytes:
    """The key, made on first use with mode 0600.

    forbidden: folders the key must not lie in (the data folder, the source). Raises ConfigError for a key inside one of
    them or inside a repository, for one that others can read, and for a damaged one.
    """
    path = (path or default_key_file()).expanduser()
    refuse_place(path, forbidden)
    if not path.exists():
        return make_key(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(f"{path}: the pseudonym key can be read by others (mode {mode:o}); run chmod 600 on it.")
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (ValueError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: not a pseudonym key; restore it, or remove it to begin with new pseudonyms."
        ) from error
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{path}: a pseudonym key has {KEY_BYTES} bytes, this has {len(key)}.")
    return key


def refuse_place(path: Path, forbidden: tuple[Path, ...]) -> None:
    """Refuse a key beside the data it protects, or where it would be committed."""
    place = path.resolve()
    for folder in forbidden:
        if place.is_relative_to(folder.resolve()):
            raise ConfigError(f"{path}: the pseudonym key must lie outside {folder}; name another with {ENVIRONMENT}.")
    if any((parent / ".git").exists() for parent in place.parents):
        raise ConfigError(f"{path}: the pseudonym key must not lie in a repository; name another with {ENVIRONMENT}.")


def make_key(path: Path) -> bytes:
    """Write a new key; readable by its owner only from the first instant."""
    key = secrets.token_bytes(KEY_BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(
            f"{path}: the pseudonym key cannot be written ({error.strerror}); name another place with {ENVIRONMENT}."
        ) from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
    return key


def pseudonym(key: bytes, value: str, prefix: str = "r") -> str:
    """A keyed, stable name for `value`: 80 bits of HMAC-SHA-256 in base 32."""
    digest = hmac.new(key, f"{prefix}\x1f{value}".encode(), hashlib.sha256).digest()
    return f"{prefix}_{base64.b32encode(digest[:10]).decode().lower()}"


def safe_id(key: bytes, value: str) -> str:
    """An id as it may be shown: itself when opaque, else its keyed stand-in, as in the tables."""
    opaque = re.fullmatch(OPAQUE, value) and re.search("[0-9]", value)
    is_number_to_call = re.fullmatch(r"[0-9]+([ ()./-]+[0-9]+)+", value)
    return value if opaque and not is_number_to_call else pseudonym(key, value, "k")


def key_fingerprint(key: bytes) -> str:
    """Tells two keys apart in reports without telling anything of either."""
    return hashlib.sha256(b"workbench pseudonym key\x00" + key).hexdigest()[:12]


def scrub(text: str) -> str:
    """An organisation's own label with anything that looks like an e-mail address or a telephone number removed."""
    return PHONE.sub("[removed]", EMAIL.sub("[removed]", text))
