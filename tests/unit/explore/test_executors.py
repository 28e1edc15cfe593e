"""Processes and clusters: the same results as in one process, and what is told when they fail."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from attnsim.errors import AttnSimError
from attnsim.explore import executors
from attnsim.explore.executors import opened
from attnsim.explore.run import run_study
from attnsim.explore.store import frames_of
from attnsim.explore.sweep import Progress, sweep
from attnsim.specs.study import Study

Tiny = Callable[..., Study]


def rows_of(folder: Path) -> bytes:
    return pl.concat(list(frames_of(folder))).sort("design").write_csv().encode()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def await_port(port: int) -> None:
    """Wait until something listens there."""
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s and not listens(port):
        time.sleep(0.1)


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return not tried.connect_ex(("127.0.0.1", port))


@contextmanager
def started(*arguments: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-m", "dask", *arguments]
    process = subprocess.Popen(command, env={**os.environ, **settings}, **quiet)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def worker(address: str, folder: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(folder)]
    with started("worker", address, *options, **settings) as process:
        yield process


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a Dask scheduler that is a process of its own."""
    port = free_port()
    with started("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"):
        await_port(port)
        yield f"tcp://127.0.0.1:{port}"


def test_processes_find_what_one_process_finds(tiny: Tiny, tmp_path: Path) -> None:
    run_study(tiny(), tmp_path / "one")
    run_study(tiny(), tmp_path / "two", processes=2, batch=5)
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two")


def test_a_worker_process_that_is_killed_is_told_with_what_is_kept(tiny: Tiny, tmp_path: Path) -> None:
    study, out = tiny(vary={"mapping": ["cascade"], "batch": list(range(1, 65))}), tmp_path / "out"

    def watch(progress: Progress) -> None:
        if progress.done:
            _kill_a_child()

    with pytest.raises(AttnSimError) as caught:
        run_study(study, out, processes=2, batch=4, watch=watch)
    told = (
        f"a worker process ended in the middle of its work; what was done before is kept in {out}; go on with --resume"
    )
    assert told in str(caught.value)
    assert 0 < run_study(study, out, processes=2, batch=4, resume=True).fresh < 64


def _kill_a_child() -> None:
    import multiprocessing

    for child in multiprocessing.active_children()[:1]:
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)


def test_a_cluster_that_loses_a_worker_finds_what_one_process_finds(tiny: Tiny, tmp_path: Path, scheduler: str) -> None:
    study = tiny(vary={"mapping": ["cascade", "unfused"], "batch": list(range(1, 41))})
    with worker(scheduler, tmp_path / "a") as first, worker(scheduler, tmp_path / "b"):

        def watch(progress: Progress) -> None:
            if progress.done > 12:
                first.kill()

        run_study(study, tmp_path / "cluster", scheduler=scheduler, batch=3, watch=watch)
    run_study(study, tmp_path / "one")
    assert rows_of(tmp_path / "cluster") == rows_of(tmp_path / "one")


def test_a_cluster_that_loses_all_its_workers_is_told_with_what_is_kept(
    tiny: Tiny, tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "ALONE_S", 1)
    monkeypatch.setattr(executors, "CHECKED_S", 0.2)
    study = tiny(vary={"mapping": ["cascade"], "batch": list(range(1, 41))})
    with worker(scheduler, tmp_path / "a") as only, pytest.raises(AttnSimError) as caught:
        run_study(
            study, tmp_path / "out", scheduler=scheduler, batch=3, watch=lambda now: only.kill() if now.done else None
        )
    assert f"--scheduler {scheduler}: it has had no workers for 1 s; what was done before is kept" in str(caught.value)
    assert run_study(study, tmp_path / "out", resume=True).designs == 40


def test_workers_that_would_judge_otherwise_are_refused(tiny: Tiny, tmp_path: Path, scheduler: str) -> None:
    (tmp_path / "attnsim.py").write_text("raise ModuleNotFoundError(\"No module named 'attnsim'\")\n")
    with worker(scheduler, tmp_path, PYTHONPATH=str(tmp_path)), pytest.raises(AttnSimError) as caught:
        run_study(tiny(), tmp_path / "out", scheduler=scheduler)
    assert "worker tcp://127.0.0.1:" in str(caught.value)
    assert "has no module attnsim; install the same attnsim on every worker" in str(caught.value)


def test_workers_of_another_version_are_refused(tiny: Tiny) -> None:
    mine = executors.manifest_of(tiny())
    assert executors._told({**mine, "attnsim": "0.0.1"}, mine).startswith("has something else: version 0.0.1, now ")
    assert executors._told({**mine, "files": {}}, mine).startswith("has something else: hardware fusemax")
    assert executors._told(mine, mine) == ""


def test_a_scheduler_without_workers_is_told(
    tiny: Tiny, tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "TIMEOUT_S", 2)
    with pytest.raises(AttnSimError, match="has no workers; start some with `dask worker tcp://"):
        run_study(tiny(), tmp_path / "out", scheduler=scheduler)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nothing", "foo://127.0.0.1:1"])
def test_a_scheduler_that_does_not_answer_is_told(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(executors, "TIMEOUT_S", 1)
    with pytest.raises(AttnSimError) as caught:
        run_study(tiny(), tmp_path / "out", scheduler=address)
    assert f"no scheduler answers at {address} within 1 s" in str(caught.value)


def test_without_dask_its_package_is_named(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(AttnSimError, match=r"Dask is not installed; pip install 'attnsim\[cluster\]'"):
        run_study(tiny(), tmp_path / "out", scheduler="tcp://127.0.0.1:1")


def test_a_scheduler_that_goes_away_is_told(tiny: Tiny, tmp_path: Path) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    study = tiny(vary={"mapping": ["cascade"], "batch": list(range(1, 41))})
    with started("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show") as its:
        await_port(port)
        with worker(address, tmp_path), pytest.raises(AttnSimError) as caught:
            run_study(
                study, tmp_path / "out", scheduler=address, batch=3, watch=lambda now: its.kill() if now.done else None
            )
    assert "its scheduler does not answer any more; what was done before is kept" in str(caught.value)


def test_an_executor_of_somebody_else_does_as_well(tiny: Tiny, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as threads:
        assert sweep(tiny(), tmp_path / "out", executor=threads, batch=7).designs == 32


def test_nothing_is_opened_for_one_process(tiny: Tiny, tmp_path: Path) -> None:
    with opened(tiny(), tmp_path) as found:
        assert found == (None, 1)
