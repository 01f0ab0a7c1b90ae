"""Where reports are published, and how: a folder is the old report or the new one, never a mixture and never half.

On disk a team's files are written beside their folder, flushed, and exchanged with it in one step of the file system
(Linux); elsewhere each file is replaced in turn, the receipt last, so that a mixture is recognised and made again. The
output folder is checked before any work: a link, a file or a folder that cannot be written to is refused. One batch at
a time holds its lock, which the system releases when the batch ends, however it ends.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from analysis.errors import AnalysisError, InputError
from analysis.reporting.slugs import is_folder

RECEIPT = "receipt.json"
LOG = "batch.jsonl"
MADE_FROM_IT = frozenset({"mail.txt", "mail.html"})  # written beside a report afterwards; they go when it goes
RENAME_EXCHANGE = 2


class Store(Protocol):
    """An output folder, on disk or behind a URL. Names are plain, or `<slug>/<file>`."""

    name: str

    def prepare(self, slugs: Iterable[str] = ()) -> None:
        """Check that reports can be published here; raises InputError with what to do."""

    def lock(self, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Hold the folder; raises Busy when another batch holds it longer than wait_s."""

    def read(self, name: str) -> bytes | None:
        """A published file; None when there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Replace one file in one step."""

    def publish(self, slug: str, files: Mapping[str, bytes]) -> None:
        """Replace a team's report."""

    def log(self, line: str) -> None:
        """Add a line to the batch's log."""


class Busy(AnalysisError):
    """Another batch is at work in this folder."""


class LocalStore:
    """An output folder on disk."""

    def __init__(self, out: str | Path) -> None:
        self.folder = Path(out)
        self.name = str(out)

    def prepare(self, slugs: Iterable[str] = ()) -> None:
        """Create the folder where it is missing; refuse a link, a file, a linked team folder, a read-only place."""
        folder = self.folder
        if folder.is_symlink():
            raise InputError(f"{folder} is a link to {folder.readlink()}; name the folder itself.")
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; reports need a folder.")
        probe = folder / f".probe-{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write_flushed(probe, b"probe")
            probe.unlink()
        except OSError as fault:
            raise InputError(f"Reports cannot be written to {folder}: {fault.strerror}.") from None
        for slug in slugs:
            if (folder / slug).is_symlink():
                raise InputError(f"{folder / slug} is a link; remove it, a report goes into a folder of its own.")

    @contextmanager
    def lock(self, wait_s: float = 0.0) -> Iterator[None]:
        """A file lock that ends with the process; leftovers of a batch that was killed are cleared under it."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / ".lock", timeout=wait_s)
        try:
            lock.acquire()
        except Timeout:
            raise Busy(f"Another batch is writing to {self.folder}; wait for it or choose another folder.") from None
        try:
            for leftover in self.folder.glob(".staging-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            yield
        finally:
            lock.release()

    def read(self, name: str) -> bytes | None:
        """A published file; None when there is none."""
        try:
            return self._path(name).read_bytes()
        except OSError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write beside, flush, rename over."""
        target = self._path(name)
        draft = target.with_name(f".draft-{os.getpid()}-{target.name}")
        try:
            _write_flushed(draft, content)
            draft.replace(target)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        _flush_folder(target.parent)

    def publish(self, slug: str, files: Mapping[str, bytes]) -> None:
        """Exchange the team's folder for a new one; files in it that no report wrote are kept."""
        target, staging = self._path(slug), self.folder / f".staging-{os.getpid()}-{slug}"
        if target.is_symlink():
            raise InputError(f"{target} is a link; a report goes into a folder of its own.")
        try:
            staging.mkdir()
            for name, content in files.items():
                _write_flushed(staging / name, content)
            _flush_folder(staging)
            self._exchange(staging, target, files)
            _flush_folder(self.folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def log(self, line: str) -> None:
        """Append; a full disk must not end the batch for its log's sake."""
        with suppress(OSError), self._path(LOG).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _exchange(self, staging: Path, target: Path, files: Mapping[str, bytes]) -> None:
        if not target.exists():
            staging.rename(target)
            return
        earlier = _published(target)
        if _swap(staging, target):
            for entry in [entry for entry in staging.iterdir() if entry.name not in earlier | MADE_FROM_IT]:
                if not (target / entry.name).exists():
                    entry.replace(target / entry.name)
            return
        (target / RECEIPT).unlink(missing_ok=True)
        for name in [*(name for name in files if name != RECEIPT), *(name for name in files if name == RECEIPT)]:
            (staging / name).replace(target / name)
        for name in (earlier | MADE_FROM_IT) - set(files):
            (target / name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        """A path inside the folder, or a fault: the name is checked whoever made it."""
        *parents, last = name.split("/")
        plain = last not in ("", ".", "..") and "\\" not in last and "\x00" not in last
        if not plain or len(parents) > 1 or not all(is_folder(parent) for parent in parents):
            raise InputError(f"{name!r} does not name a file inside {self.folder}.")
        return self.folder.joinpath(*parents, last)


def open_store(out: str | Path) -> Store:
    """The output folder a user named: a path, or a URL that fsspec knows (s3://bucket/folder, memory://...)."""
    if "://" in str(out):
        from analysis.reporting.remote import UrlStore

        return UrlStore(str(out))
    return LocalStore(out)


def _published(folder: Path) -> set[str]:
    """The files that an earlier report wrote here, by its receipt."""
    import json

    try:
        return {RECEIPT, *json.loads((folder / RECEIPT).read_text(encoding="utf-8"))["outputs"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {RECEIPT}


def _write_flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _swap(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where the system or the file system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    here = -100  # AT_FDCWD: the paths count from the working directory
    return rename is not None and rename(here, os.fsencode(one), here, os.fsencode(other), RENAME_EXCHANGE) == 0
