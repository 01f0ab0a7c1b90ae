"""What a report's process may see and use: its own folder and the installed software, a clean environment, its limits.

On Linux with Landlock (kernel 5.13 and later; network rules from 6.7) the kernel itself refuses everything else: other
teams' packs, the data folder, the user's home, the network. Elsewhere the private folder, the clean environment and
the resource limits remain. `confine` is called in the child, once, before any cell runs, and cannot be undone.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
KEPT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "CONDA_PREFIX", "XDG_CACHE_HOME")
SOFTWARE = (
    "/usr/lib", "/usr/lib64", "/usr/bin", "/usr/share", "/usr/local/lib", "/usr/local/bin", "/lib", "/lib64", "/bin",
    "/etc/fonts", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf", "/etc/passwd",
    "/etc/alternatives", "/dev/urandom", "/dev/random", "/dev/zero", "/proc/self", "/proc/cpuinfo", "/proc/meminfo",
    "/proc/stat", "/sys/devices/system/cpu", "/sys/fs/cgroup",
)  # fmt: skip
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
FILE_RIGHTS = 0b1000000000000111 | (1 << 14)  # execute, write, read, truncate, ioctl: what a rule on a file may name
READ, READ_DIR, EXECUTE, WRITE, TRUNCATE, IOCTL = 1 << 2, 1 << 3, 1 << 0, 1 << 1, 1 << 14, 1 << 15
DEVICES = (1 << 6) | (1 << 11)  # making character and block devices: never


def clean_environment(home: Path, cache: Path | None = None) -> dict[str, str]:
    """The environment of the warm process: nothing of the user's but the search path; one thread; fixed locale and zone.

    home: a private folder standing in for the user's. cache: where matplotlib keeps its list of fonts between batches.
    """
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment.update(dict.fromkeys(THREADS, "1"))
    environment.update(
        HOME=str(home),
        TMPDIR=str(home),
        IPYTHONDIR=str(home / "ipython"),
        JUPYTER_CONFIG_DIR=str(home / "jupyter"),
        MPLCONFIGDIR=str(cache or home / "matplotlib"),
        MPLBACKEND="agg",
        LANG="C.UTF-8",
        LC_ALL="C.UTF-8",
        TZ="UTC",
        PYTHONHASHSEED="0",
        PYTHONUTF8="1",
        SOURCE_DATE_EPOCH="315532800",
        JUPYTER_PREFER_ENV_PATH="1",
        GLIBC_TUNABLES="glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1",  # a fork copies and faults fewer pages
    )
    return environment


def enter(folder: Path) -> None:
    """Make the private folder this process's home, temporary folder and working directory."""
    os.environ.update(
        HOME=str(folder / "home"), TMPDIR=str(folder / "tmp"), IPYTHONDIR=str(folder / "home" / "ipython")
    )
    import tempfile

    tempfile.tempdir = None
    os.chdir(folder)


def reseed(seed: int, slug: str) -> None:
    """Set every global random state from the seed and the team; forked children would all share their parent's."""
    import hashlib
    import random

    number = int.from_bytes(hashlib.sha256(f"{seed}/{slug}".encode()).digest()[:4], "big")
    random.seed(number)
    if "numpy" in sys.modules:
        import numpy as np

        np.random.seed(number)  # noqa: NPY002 (the legacy state is exactly what must not be shared)


def limit(memory_mb: float, cpu_s: float, file_mb: float) -> None:
    """Resource limits of this process and its children. memory_mb: address space beyond what is mapped already."""
    import resource

    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    _lower(resource.RLIMIT_AS, mapped + int(memory_mb * 1024**2))
    _lower(resource.RLIMIT_CPU, int(cpu_s) + 1)
    _lower(resource.RLIMIT_FSIZE, int(file_mb * 1024**2))
    _lower(resource.RLIMIT_CORE, 0)


def die_with_parent(parent: int) -> None:
    """End this process when its parent ends, however that ends (Linux)."""
    libc().prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of whatever this process's descendants leave behind (Linux)."""
    libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def return_free_memory() -> None:
    """Give what is freed back to the system, so that a fork gets new pages there and not copies of what nobody needs."""
    trim = getattr(libc(), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


def landlock_version() -> int:
    """The kernel's Landlock version, 0 without."""
    if sys.platform != "linux":
        return 0
    return max(0, libc().syscall(CREATE_RULESET, None, 0, 1))


@cache
def software_folders() -> tuple[Path, ...]:
    """Where installed software lies: the only places besides its own folder that a report may read."""
    python = [Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[1]]
    shared = {Path("/usr"), Path("/usr/local"), Path("/")}
    found = [path.resolve() for path in python if path.resolve() not in shared]
    return (*found, *(Path(path) for path in SOFTWARE if Path(path).exists()))


def confine(folder: Path, readable: Iterable[Path] = ()) -> bool:
    """Let this process read installed software and `readable`, write only in its folder, reach no TCP port and signal
    nobody outside. True when the kernel holds it to that."""
    version = landlock_version()
    if not version:
        return False
    rights = (1 << 13) - 1 | (1 << 13 if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    rights |= IOCTL if version >= 5 else 0
    ruleset = _ruleset(rights, network=3 if version >= 4 else 0, scope=3 if version >= 6 else 0)
    read_only = READ | READ_DIR | EXECUTE
    for path in [*software_folders(), *readable]:
        _allow(ruleset, path, read_only & rights)
    _allow(ruleset, Path("/dev/null"), (READ | WRITE | TRUNCATE) & rights)
    _allow(ruleset, folder, rights & ~DEVICES)
    libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    held = libc().syscall(RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return held


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def _ruleset(rights: int, network: int, scope: int) -> int:
    attributes = _Ruleset(rights, network, scope)
    size = 24 if scope else 16 if network else 8
    handle = libc().syscall(CREATE_RULESET, ctypes.byref(attributes), size, 0)
    if handle < 0:
        raise OSError(ctypes.get_errno(), "Landlock refused its rule set")
    return handle


def _allow(ruleset: int, path: Path, rights: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        beneath = _PathBeneath(rights if path.is_dir() else rights & FILE_RIGHTS, handle)
        if libc().syscall(ADD_RULE, ruleset, 1, ctypes.byref(beneath), 0):
            raise OSError(ctypes.get_errno(), f"Landlock refused a rule for {path}")
    finally:
        os.close(handle)


def _lower(which: int, soft: int) -> None:
    import resource

    hard = resource.getrlimit(which)[1]
    value = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(which, (value, value))


@cache
def libc() -> ctypes.CDLL:
    """The C library, for what Python has no call for."""
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library
