"""Where blocks of designs are judged: in this process, in others of this machine, or on a Dask cluster.

All through the interface of `concurrent.futures`. What cannot go on ends with a message that says what is kept.
"""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for_end
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from attnsim.errors import AttnSimError, Problem
from attnsim.explore.store import Manifest, differences, manifest_of
from attnsim.specs.study import Study

if TYPE_CHECKING:
    import distributed

TIMEOUT_S = 10
"""How long a scheduler has for its first answer."""
ALONE_S = 60
"""How long a cluster may be without workers before the study gives up."""
CHECKED_S = 2
RETRIES = 3
_MISSING = re.compile(r"No module named '([\w.]+)'")
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Here(Executor):
    """Judges in this process, when it is asked to."""

    def submit(self, call: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Call now; what is raised is raised now."""
        future: Future[_T] = Future()
        future.set_result(call(*args, **kwargs))
        return future


class Cluster(Executor):
    """Judges on the workers of a Dask cluster; a block whose worker dies is given to another one."""

    def __init__(self, client: distributed.Client, address: str) -> None:
        self._client, self._address = client, address
        make: Callable[..., Executor] = client.get_executor
        self._executor = make(retries=RETRIES)
        self._alone_since_s: float | None = None

    @property
    def threads(self) -> int:
        """Blocks that can be judged at a time."""
        return sum(worker["nthreads"] for worker in self._client.scheduler_info(n_workers=-1)["workers"].values())

    def submit(self, call: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Give a call to some worker."""
        return self._executor.submit(call, *args, **kwargs)

    def require_workers(self) -> None:
        """Raise AttnSimError if the scheduler is gone, or has had no workers for a while."""
        if self._client.status != "running":
            raise _gone(self._address, "its scheduler does not answer any more")
        if self.threads:
            self._alone_since_s = None
            return
        now_s = time.monotonic()
        self._alone_since_s = now_s if self._alone_since_s is None else self._alone_since_s
        if now_s - self._alone_since_s >= ALONE_S:
            raise _gone(self._address, f"it has had no workers for {ALONE_S} s")


def first_done(executor: Executor | None, futures: Collection[Future[_T]]) -> set[Future[_T]]:
    """Wait until some of the futures are done; AttnSimError if the cluster is gone meanwhile."""
    while True:
        done = wait_for(futures, timeout=CHECKED_S, return_when=FIRST_COMPLETED).done
        if done:
            return done
        if isinstance(executor, Cluster):
            executor.require_workers()


@contextmanager
def opened(
    study: Study, folder: Path, *, processes: int = 1, scheduler: str | None = None
) -> Iterator[tuple[Executor | None, int]]:
    """(executor, workers) for as long as the block runs; None for this process.

    Raises AttnSimError: a scheduler beside processes, one that does not answer, workers that would judge otherwise than
    this process, a missing Dask; and for workers that die, with what is kept in the folder.
    """
    if scheduler is not None and processes > 1:
        what = "a cluster has workers of its own"
        raise AttnSimError(Problem(path="--processes", what=what, remedy="leave it out, or --scheduler"))
    chosen = (
        _cluster(study, scheduler) if scheduler is not None else _pool(study, processes) if processes > 1 else _here()
    )
    try:
        with chosen as found:
            yield found
    except BrokenExecutor:
        what = f"a worker process ended in the middle of its work; what was done before is kept in {folder}"
        remedy = "go on with --resume, with fewer processes if memory ran out"
        raise AttnSimError(Problem(path="--processes", what=what, remedy=remedy)) from None
    except _Gone as error:
        what = f"{error.reason}; what was done before is kept in {folder}"
        raise AttnSimError(
            Problem(path=f"--scheduler {error.address}", what=what, remedy="go on with --resume")
        ) from None


class _Gone(Exception):
    """A cluster that cannot go on."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(reason)
        self.address, self.reason = address, reason


def _gone(address: str, reason: str) -> _Gone:
    return _Gone(address, reason)


@contextmanager
def _here() -> Iterator[tuple[None, int]]:
    yield None, 1


@contextmanager
def _pool(study: Study, processes: int) -> Iterator[tuple[Executor, int]]:
    """Processes of this machine, which end with the block, and with this process however it ends.

    They start, and load what they need, while this process goes on.
    """
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("spawn"), initializer=_watch_parent
    )
    with _interrupts_left_to_this_process():
        for _ in range(processes):
            executor.submit(manifest_of, study)
    try:
        yield executor, processes
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    executor.shutdown()


@contextmanager
def _interrupts_left_to_this_process() -> Iterator[None]:
    """Processes that are started within do not hear of Ctrl-C, which a terminal sends to all of them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _watch_parent() -> None:
    """End this worker when the process that started it is gone, killed perhaps; at the end do not put away all that
    it remembers, which takes seconds."""
    atexit.register(os._exit, 0)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_end([parent.sentinel])
        os._exit(1)


@contextmanager
def _cluster(study: Study, address: str) -> Iterator[tuple[Executor, int]]:
    """The workers of a scheduler; their own errors are told as such."""
    try:
        import distributed
    except ImportError:
        what, remedy = "Dask is not installed", "pip install 'attnsim[cluster]'"
        raise AttnSimError(Problem(path="--scheduler", what=what, remedy=remedy)) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    client = _connected(address)
    try:
        _require_same(study, client, address)
        cluster = Cluster(client, address)
        yield cluster, max(cluster.threads, 1)
    except distributed.KilledWorker:
        raise _gone(address, f"{RETRIES} workers died on the same block") from None
    except CancelledError:
        raise _gone(address, "its scheduler does not answer any more") from None
    finally:
        close: Callable[..., object] = client.close
        close(timeout=TIMEOUT_S)


def _connected(address: str) -> distributed.Client:
    import distributed

    make: Callable[..., distributed.Client] = distributed.Client
    try:
        return make(address, timeout=TIMEOUT_S)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        what = f"no scheduler answers at {address} within {TIMEOUT_S} s: {type(error).__name__}"
        remedy = "start one with `dask scheduler`, or check the address"
        raise AttnSimError(Problem(path="--scheduler", what=what, remedy=remedy)) from None


def _require_same(study: Study, client: distributed.Client, address: str) -> None:
    """Raise AttnSimError unless workers have the same attnsim and the same specs as this process."""
    try:
        client.wait_for_workers(1, timeout=TIMEOUT_S)
        found: dict[str, Manifest | Exception] = client.run(manifest_of, study, on_error="return")
    except TimeoutError:
        what = f"the scheduler at {address} has no workers"
        remedy = f"start some with `dask worker {address} --nthreads 1`"
        raise AttnSimError(Problem(path="--scheduler", what=what, remedy=remedy)) from None
    mine = manifest_of(study)
    for worker, theirs in found.items():
        told = _told(theirs, mine)
        if told:
            remedy = "install the same attnsim on every worker, with the same spec files at the same paths"
            raise AttnSimError(Problem(path=f"worker {worker}", what=told, remedy=remedy))


def _told(theirs: Manifest | Exception, mine: Manifest) -> str:
    """What is wrong with a worker, from what it says of the study; nothing if it agrees."""
    if isinstance(theirs, AttnSimError):
        return theirs.problems[0].what
    if isinstance(theirs, Exception):
        missing = _MISSING.search(str(theirs))
        return f"has no module {missing[1]}" if missing else f"cannot judge designs: {theirs}"
    changed = differences(theirs, mine)
    return f"has something else: {', '.join(changed)}" if changed else ""
