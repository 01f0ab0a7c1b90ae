"""Who renders: the warm process of this machine, plain processes where forking is not safe, or any executor's workers.

A renderer takes jobs and gives futures; `slots` is how many jobs it can use at once. An executor's worker, whether a
process of this machine or of another, renders through its own warm process, so isolation and limits are the same
everywhere. Results travel back as bytes and only the batch publishes: a worker that dies can leave nothing half done.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Protocol

from analysis.errors import InputError
from analysis.reporting.jobs import Failure, Rendered, ReportJob

CONNECT_S = 20


class Renderer(Protocol):
    """Takes jobs, gives futures that never raise."""

    slots: int

    def submit(self, job: ReportJob) -> Future[Rendered]:
        """Start a report."""

    def close(self) -> None:
        """End everything under way."""


class LazyRenderer:
    """A renderer that is opened when it is first needed: a batch with nothing to do starts no process."""

    def __init__(self, make: Callable[[], Renderer]) -> None:
        self._make = make
        self._renderer: Renderer | None = None

    @property
    def slots(self) -> int:
        """How many jobs it can use at once."""
        return self.open().slots

    def open(self) -> Renderer:
        """The renderer itself."""
        if self._renderer is None:
            self._renderer = self._make()
        return self._renderer

    def submit(self, job: ReportJob) -> Future[Rendered]:
        """Start a report."""
        return self.open().submit(job)

    def close(self) -> None:
        """End everything under way."""
        renderer, self._renderer = self._renderer, None
        if renderer is not None:
            renderer.close()

    def __enter__(self) -> LazyRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Borrowed:
    """Somebody else's renderer: used, not closed."""

    def __init__(self, renderer: Renderer) -> None:
        self.slots, self._renderer = renderer.slots, renderer

    def submit(self, job: ReportJob) -> Future[Rendered]:
        """Start a report."""
        return self._renderer.submit(job)

    def close(self) -> None:
        """It is its owner's to close."""


class ExecutorRenderer:
    """Reports on the workers of any concurrent.futures executor. slots: jobs to keep under way."""

    def __init__(self, executor: Executor, slots: int, finish: Callable[[], object] | None = None) -> None:
        self.slots, self._executor, self._finish = slots, executor, finish
        self._under_way: set[Future] = set()

    def submit(self, job: ReportJob) -> Future[Rendered]:
        """Start a report; a worker that is lost is a lost report, which the batch may try again."""
        result: Future[Rendered] = Future()

        def settle(done: Future) -> None:
            self._under_way.discard(done)
            try:
                rendered = done.result()
            except BaseException as fault:
                rendered = Rendered(failure=Failure("lost", f"its worker was lost ({type(fault).__name__})"))
            result.set_result(rendered)

        try:
            future = self._executor.submit(RENDER, job)
        except Exception as fault:  # a broken pool, a closed cluster
            result.set_result(Rendered(failure=Failure("broken", f"the workers are gone ({type(fault).__name__})")))
            return result
        self._under_way.add(future)
        future.add_done_callback(settle)
        return result

    def close(self) -> None:
        """Cancel what has not begun and let go of the workers; a caller's own executor stays open."""
        for future in list(self._under_way):
            future.cancel()
        if self._finish is not None:
            self._finish()


_here: list[Any] = []
_here_lock = threading.Lock()


def render_here(job: ReportJob) -> Rendered:
    """Render one job in this worker; called through an executor.

    The worker's warm process is started by its first job and ends with the worker. A job from another version of the
    package is refused: its report would not be the one the batch asked for.
    """
    from analysis.reporting.template import code_digest

    if job.version != code_digest():
        return Rendered(failure=Failure("broken", "a worker has another version of the package; install the same one"))
    with _here_lock:
        if not _here:
            _here.append(local_renderer(1, rehearse=True))
            atexit.register(_here[0].close)
    return _here[0].submit(job).result()


RENDER = render_here


def open_renderer(
    scheduler: str | Executor | Renderer | None, jobs: int, *, plain: bool | None = None, rehearse: bool = False
) -> Renderer:
    """The renderer a batch asked for.

    scheduler: None for this machine, a Dask scheduler's address ("tcp://host:8786"), a concurrent.futures executor, or
    a renderer that is already open and stays so.
    jobs: reports at once (for an address: one a worker thread). plain: force (True) or forbid (False) plain processes.
    rehearse: whether there are so many reports that a rehearsal pays.
    Raises InputError when the scheduler cannot be reached or Dask is not installed.
    """
    if scheduler is None:
        return local_renderer(jobs, plain=plain, rehearse=rehearse)
    if isinstance(scheduler, str):
        return _dask(scheduler)
    if not isinstance(scheduler, Executor):
        return _Borrowed(scheduler)
    return ExecutorRenderer(scheduler, jobs)


def local_renderer(jobs: int, *, plain: bool | None = None, rehearse: bool = False) -> Renderer:
    """Warm forks where the system can, plain processes elsewhere."""
    from analysis.reporting.pool import WarmPool, can_fork

    if plain or (plain is None and not can_fork()):
        from analysis.reporting.kernels import PlainPool

        return PlainPool(jobs)
    return WarmPool(jobs, rehearse=rehearse)


def _dask(address: str) -> Renderer:
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--scheduler needs Dask: install the package with its extra, `[cluster]`.") from None
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, TimeoutError, ValueError) as fault:
        raise InputError(f"No Dask scheduler answers at {address} ({type(fault).__name__}).") from None
    slots = max(1, sum(client.nthreads().values()))
    return ExecutorRenderer(client.get_executor(pure=False), slots, lambda: client.close(timeout=5))
