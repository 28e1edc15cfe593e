"""Studies as a user runs them, killed and taken up again: a million designs whose front is checked by force, and one
that is killed at many moments.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars
import psutil
import yaml

from attnsim.explore.results import read_results
from attnsim.explore.store import frames_of
from attnsim.specs.study import Study

PROCESSES = 2
BLOCK = 20_000
KILLS = 20
WAIT_S = (0.3, 3.0)
BUFFER, BANDWIDTH = "hardware.memories.global_buffer.capacity", "hardware.memories.dram.bandwidth"
VARIED: dict[str, object] = {
    BUFFER: {"from": "512 KiB", "to": "8 MiB", "factor": 2},
    BANDWIDTH: {"from": "50 GB/s", "to": "800 GB/s", "steps": 125, "log": True},
    "hardware.clock": {"from": "0.5 GHz", "to": "1.5 GHz", "steps": 25},
}
"""With 8 shapes of either array a million designs."""


def million(study: Study) -> dict[str, float]:
    """Seconds and most memory of both halves of a study, SIGKILL between them, and whether its front is exact."""
    numbers: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        path, out = Path(name) / "study.yaml", Path(name) / "out"
        text = yaml.safe_dump(study.model_dump(by_alias=True, exclude_none=True), sort_keys=False)
        path.write_text(text, encoding="utf-8")
        size = 1_000_000
        for part, until in (("begin", size // 2), ("resume", size)):
            seconds, most_bytes = _run(path, out, until if part == "begin" else None)
            numbers |= {f"million_{part}_s": seconds, f"million_{part}_gb": most_bytes / 1e9}
            numbers[f"million_{part}_designs"] = float(sum(frame.height for frame in frames_of(out)))
        numbers |= _checked(study, out)
    return numbers


def killed(study: Study) -> dict[str, float]:
    """Whether a study that is killed at many moments ends with the bytes of one that ran through, its rows in order."""
    chance = random.Random(11)
    with tempfile.TemporaryDirectory() as name:
        path, out = Path(name) / "study.yaml", Path(name) / "out"
        path.write_text(yaml.safe_dump(study.model_dump(by_alias=True, exclude_none=True)), encoding="utf-8")
        _run(path, Path(name) / "whole", None)
        moments = [_stopped(_command(path, out), chance.uniform(*WAIT_S)) for _ in range(KILLS)]
        before = _written(out)
        _run(path, out, None)
        same = _digest(out) == _digest(Path(name) / "whole")
        return {"kills": float(sum(moments)), "kills_written": float(before), "kills_same": float(same)}


def _stopped(command: list[str], wait_s: float) -> bool:
    """Whether a command was still at work when it was killed after so many seconds."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    time.sleep(wait_s)
    working = process.poll() is None
    if working:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return working


def _digest(out: Path) -> str:
    rows = polars.concat(list(frames_of(out))).sort("design")
    return hashlib.sha256(rows.write_csv().encode()).hexdigest()


def _command(study: Path, out: Path) -> list[str]:
    command = [sys.executable, "-m", "attnsim", "explore", str(study), "--out", str(out)]
    return [*command, "--processes", str(PROCESSES), "--json", *(["--resume"] if out.exists() else [])]


def _run(study: Path, out: Path, until: int | None) -> tuple[float, int]:
    """(seconds, most bytes of all its processes together) of the command; it is killed once so many designs are
    written."""
    command = _command(study, out)
    began_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    done = threading.Event()
    most: list[int] = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, most, done))
    watcher.start()
    while process.poll() is None:
        time.sleep(0.5)
        if until is not None and _written(out) >= until:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    done.set()
    watcher.join()
    if until is None and process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - began_s, most[0]


def _written(out: Path) -> int:
    """Designs in whole parts, by the names of the files."""
    return sum(int(path.stem.rpartition("-")[2]) for path in out.glob("part-*.parquet"))


def _watch(pid: int, most: list[int], done: threading.Event) -> None:
    """Keep the most memory that a process and its children have had."""
    while not done.wait(0.3):
        most[0] = max(most[0], _resident_bytes(pid))


def _resident_bytes(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_own_bytes(one) for one in family)


def _own_bytes(process: psutil.Process) -> int:
    """Memory of one process, shared pages by their share."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return 0


def _checked(study: Study, out: Path) -> dict[str, float]:
    """Size of the front, and how many rows are wrongly on it or off it: each row compared with each of the front.

    Of rows that are equal in all objectives one is on it.
    """
    signs = np.array([1.0 if name in study.minimize else -1.0 for name in study.objectives])
    rows = [
        frame.filter(frame["infeasible"] == "").select(["design", *study.objectives]).to_numpy()
        for frame in frames_of(out)
    ]
    every = np.concatenate(rows)
    found = {int(str(row["design"])) for row in read_results(out).front}
    on_front = np.isin(every[:, 0].astype(np.int64), sorted(found))
    costs = every[:, 1:] * signs
    front, others = costs[on_front], costs[~on_front]
    left = sum(int(np.sum(~_beaten(others[start : start + BLOCK], front))) for start in range(0, len(others), BLOCK))
    beaten = sum(int(_beaten(one[None, :], np.delete(front, place, axis=0))[0]) for place, one in enumerate(front))
    return {"million_front": float(len(found)), "million_wrong": float(left + beaten)}


def _beaten(costs: np.ndarray, front: np.ndarray) -> np.ndarray:
    """Whether each row is beaten by one of the front: no better in anything."""
    beaten = np.zeros(len(costs), dtype=bool)
    for one in front:
        beaten |= np.all(one <= costs, axis=1)
    return beaten
