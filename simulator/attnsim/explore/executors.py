"""Where blocks of designs are judged: in this process, in others of this machine, or on a Dask cluster.

All through the interface of `concurrent.futures`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from attnsim.errors import AttnSimError, Problem

TIMEOUT_S = 10


@contextmanager
def opened(processes: int, scheduler: str | None) -> Iterator[tuple[Executor | None, int]]:
    """(executor, workers) for as long as the block runs; None for this process.

    Raises AttnSimError for a scheduler beside processes, one that does not answer, and a missing Dask.
    """
    if scheduler is not None:
        if processes > 1:
            what = "a cluster has workers of its own"
            raise AttnSimError(Problem(path="--processes", what=what, remedy="leave it out, or --scheduler"))
        with _cluster(scheduler) as found:
            yield found
    elif processes > 1:
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(processes, mp_context=context)
        try:
            yield executor, processes
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
    else:
        yield None, 1


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    try:
        import distributed
    except ImportError:
        what, remedy = "Dask is not installed", "pip install 'attnsim[cluster]'"
        raise AttnSimError(Problem(path="--scheduler", what=what, remedy=remedy)) from None
    try:
        make: Any = distributed.Client
        client = make(address, timeout=TIMEOUT_S)
    except (OSError, TimeoutError, ValueError) as error:
        what = f"no scheduler answers at {address} within {TIMEOUT_S} s: {type(error).__name__}"
        remedy = "start one with `dask scheduler`, or check the address"
        raise AttnSimError(Problem(path="--scheduler", what=what, remedy=remedy)) from None
    try:
        workers = len(client.scheduler_info()["workers"])
        yield client.get_executor(retries=3), max(workers, 1)
    finally:
        client.close()
