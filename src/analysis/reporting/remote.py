"""Data and reports behind URLs, through fsspec: s3://bucket/folder, gs://..., memory://... .

An object store has no rename, but replaces one object in one step: a report's files are written first and its receipt
last, so a mixture is recognised (its receipt does not match) and made again. Its lock is an object that is created only
if it is not there; a batch that was killed leaves it, and the error says how to remove it.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from analysis.errors import DataError, InputError
from analysis.reporting.publish import LOG, MADE_FROM_IT, RECEIPT, Busy
from analysis.reporting.slugs import is_folder

LOG_EVERY_S = 5.0
NOBODY = "nobody"


class UrlStore:
    """An output folder behind a URL. settle_s: how long after taking the lock a batch looks again whether it has it."""

    settle_s = 0.5

    def __init__(self, url: str) -> None:
        self._files, self._folder = _open(url)
        self.name = without_credentials(url)
        self._lines: list[str] = []
        self._logged = 0.0

    def prepare(self, slugs: Iterable[str] = ()) -> None:
        """Write and remove a probe."""
        probe = f"{self._folder}/.probe-{os.getpid()}"
        try:
            self._files.makedirs(self._folder, exist_ok=True)
            self._files.pipe_file(probe, b"probe")
            self._files.rm_file(probe)
        except Exception as fault:
            raise InputError(f"Reports cannot be written to {self.name}: {type(fault).__name__}.") from None

    @contextmanager
    def lock(self, wait_s: float = 0.0) -> Iterator[None]:
        """Create the lock object, refuse when it is there. wait_s is not used: nobody tells when it goes."""
        lock, mine = f"{self._folder}/.lock", f"process {os.getpid()} on {socket.gethostname()}, {secrets.token_hex(8)}"
        if self._files.exists(lock):
            self._refuse(lock)
        try:
            # Of two batches that start at the same moment one gets in, where the store can create an object only if
            # there is none. Where it cannot, or ignores the wish, the last to write is the holder.
            self._files.pipe_file(lock, mine.encode(), mode="create")
        except OSError:
            if self._holder(lock) == NOBODY:
                raise
            self._refuse(lock)
        except (NotImplementedError, TypeError, ValueError):
            self._files.pipe_file(lock, mine.encode())
        time.sleep(self.settle_s)
        if self._holder(lock) != mine:
            self._refuse(lock)
        try:
            yield
        finally:
            if self._holder(lock) == mine:
                with suppress(FileNotFoundError):
                    self._files.rm_file(lock)

    def _holder(self, lock: str) -> str:
        try:
            self._files.invalidate_cache()
            return bytes(self._files.cat_file(lock)).decode(errors="replace")
        except FileNotFoundError:
            return NOBODY

    def _refuse(self, lock: str) -> None:
        holder = self._holder(lock).rpartition(",")[0]
        raise Busy(f"{self.name} is locked by {holder}; if that batch is gone, delete {self.name}/.lock.")

    def read(self, name: str) -> bytes | None:
        """A published file; None when there is none."""
        try:
            return self._files.cat_file(self._path(name))
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Replace one object."""
        self._files.pipe_file(self._path(name), content)

    def publish(self, slug: str, files: Mapping[str, bytes]) -> None:
        """Files first, the receipt last, then what the report before had and this one has not."""
        import json

        earlier = json.loads(self.read(f"{slug}/{RECEIPT}") or b"{}").get("outputs", {})
        for name in sorted(files, key=lambda name: name == RECEIPT):
            self.write(f"{slug}/{name}", files[name])
        for name in (set(earlier) | MADE_FROM_IT) - set(files):
            with suppress(FileNotFoundError):
                self._files.rm_file(self._path(f"{slug}/{name}"))

    def log(self, line: str) -> None:
        """Objects cannot be added to: the log of this batch is written anew, at most every few seconds and at its end."""
        self._lines.append(line)
        if time.monotonic() - self._logged < LOG_EVERY_S and '"finished"' not in line:
            return
        self._logged = time.monotonic()
        self.write(LOG, "".join(f"{line}\n" for line in self._lines).encode())

    def _path(self, name: str) -> str:
        *parents, last = name.split("/")
        if last in ("", ".", "..") or len(parents) > 1 or not all(is_folder(parent) for parent in parents):
            raise InputError(f"{name!r} does not name a file inside {self.name}.")
        return f"{self._folder}/{name}"


def fetch(url: str, folder: Path) -> Path:
    """Copy the files of a data folder into a private folder; the private folder.

    Raises DataError when there is nothing at the URL or it cannot be read.
    """
    files, home = _open(url)
    try:
        found = list(files.find(home))
    except Exception as fault:
        raise DataError(f"{without_credentials(url)} cannot be read: {type(fault).__name__}.") from None
    if not found:
        raise DataError(f"There is no data folder at {without_credentials(url)}.")
    for path in found:
        inside = PurePosixPath(str(path).lstrip("/")).relative_to(home.strip("/"))
        target = folder.joinpath(*inside.parts)
        if not target.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{without_credentials(url)} holds a file named {inside}, outside the folder.")
        target.parent.mkdir(parents=True, exist_ok=True)
        files.get_file(path, str(target))
    return folder


def without_credentials(url: str) -> str:
    """The URL as it may be shown: no user, no password, no query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def _open(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        files, folder = url_to_fs(url)
    except (ImportError, ValueError) as fault:
        raise InputError(f"{without_credentials(url)} cannot be opened: {fault}") from None
    return files, folder.rstrip("/")
