"""Private working folders that do not outlive their batch, even one that was killed.

Each is made readable to its owner only and holds a lock for as long as its process lives; a later batch removes those
whose lock is free. The lock is the operating system's, so a crash releases it too.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

PREFIX = "workbench-batch-"
ALIVE = ".alive"
OLD_S = 600.0  # younger ones may not have taken their lock yet
_held: dict[Path, int] = {}


def make_private_folder() -> Path:
    """A new folder (mode 0700) under the system's temporary folder; leftovers of dead batches are removed on the way."""
    sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    handle = os.open(folder / ALIVE, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    _held[folder] = handle
    _lock(handle)
    return folder


def remove(folder: Path) -> None:
    """Remove a private folder of this process, or any folder inside one."""
    shutil.rmtree(folder, ignore_errors=True)
    if (handle := _held.pop(folder, None)) is not None:
        os.close(handle)


def sweep(home: Path) -> None:
    """Remove private folders of this user whose process is gone."""
    for folder in home.glob(f"{PREFIX}*"):
        try:
            facts = folder.stat(follow_symlinks=False)
            mine = not hasattr(os, "getuid") or facts.st_uid == os.getuid()
            if not mine or folder.is_symlink() or time.time() - facts.st_mtime < OLD_S:
                continue
            handle = os.open(folder / ALIVE, os.O_RDWR)
        except OSError:
            continue
        try:
            if _lock(handle):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def _lock(handle: int) -> bool:
    """Take the lock; False when its owner lives, or where there are no such locks (Windows keeps its leftovers)."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
