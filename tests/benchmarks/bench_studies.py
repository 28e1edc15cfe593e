"""How studies scale: processes and Dask workers, memory of a million designs, and how much of a front a search finds.

Writes reports/performance/studies.md and studies.json. Times are by the clock on the wall, the least of several, taken
in turn; a million designs are judged by a stand-in, since only what happens around the simulation is of interest there.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from attnsim.explore import sweep as sweeping
from attnsim.explore.evaluate import Judged
from attnsim.explore.front import hypervolume
from attnsim.explore.results import read_results
from attnsim.explore.run import run_study
from attnsim.explore.space import Design, Space
from attnsim.explore.store import frames_of
from attnsim.explore.sweep import Progress, signs_of, sweep
from attnsim.specs.study import Study

REPORTS = Path(__file__).parents[2] / "reports" / "performance"
REPEATS = 3
SERIAL_S = 40.0
"""About how long the study takes on one core that two workers are compared with; starting them takes a second."""
POINTS = 1_000_000
SHARE = 0.05
SEEDS = (0, 1, 2)
SAMPLERS = ("random", "sobol", "nsga2", "nsga3", "tpe")
BASE = {"hardware": "fusemax", "mapping": "cascade", "model": "bert", "batch": 1, "seq_len": 4096}
ARRAYS, BUFFER = "hardware.arrays.array_2d.shape", "hardware.memories.global_buffer.capacity"
BANDWIDTH, CLOCK = "hardware.memories.dram.bandwidth", "hardware.clock"


def main() -> None:
    """Measure and write the report."""
    if sys.argv[1:2] == ["million"]:
        million(Path(sys.argv[2]), resume=sys.argv[3] == "resume")
        return
    numbers = {**scaling(), **memory(), **searching()}
    REPORTS.mkdir(parents=True, exist_ok=True)
    kept = {name: float(f"{value:.3g}") for name, value in numbers.items()}
    (REPORTS / "studies.json").write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", "utf-8", newline="\n")
    (REPORTS / "studies.md").write_text(page(kept), encoding="utf-8", newline="\n")
    print(page(kept))  # noqa: T201


def study_of(**changes: object) -> Study:
    """A study of arrays, buffers, bandwidths and clocks for FuseMax."""
    vary = {
        ARRAYS: [[size, size] for size in (32, 64, 96, 128, 192, 256, 384, 512)],
        BUFFER: {"from": "1 MiB", "to": "128 MiB", "factor": 2},
        BANDWIDTH: {"from": "100 GB/s", "to": "1600 GB/s", "steps": 16, "log": True},
        CLOCK: {"from": "0.6 GHz", "to": "1.2 GHz", "steps": 4},
    }
    document = {
        "name": "bench",
        "source": "made for this benchmark",
        "base": BASE,
        "vary": vary,
        "derive": {"hardware.arrays.array_1d.shape": {"of": ARRAYS, "item": 0, "as_list": True}},
        "minimize": ["latency_s", "energy_j.total", "area_m2"],
        **changes,
    }
    return Study.model_validate(document)


def scaling() -> dict[str, float]:
    """Seconds of one study in this process, in two processes and on two workers of a cluster."""
    few = study_of(vary={BANDWIDTH: {"from": "100 GB/s", "to": "1600 GB/s", "steps": 64}})
    _took_s(few)
    steps = max(round(64 * SERIAL_S / _took_s(few)), 256)
    study = study_of(vary={BANDWIDTH: {"from": "100 GB/s", "to": "1600 GB/s", "steps": steps}})
    batch = max(min(steps // 64, 512), 1)
    took: dict[str, list[float]] = {"one": [], "processes": [], "dask": []}
    with cluster(2) as scheduler:
        for _ in range(REPEATS):
            took["one"].append(_took_s(study, batch=batch))
            took["processes"].append(_took_s(study, batch=batch, processes=2))
            took["dask"].append(_took_s(study, batch=batch, scheduler=scheduler))
    return {"designs": float(steps), **{f"{name}_s": min(times) for name, times in took.items()}}


def _took_s(study: Study, **options: object) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.perf_counter()
        run_study(study, Path(folder) / "out", **options)  # type: ignore[arg-type]
        return time.perf_counter() - began_s


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """The address of a Dask scheduler with workers of one thread each, all processes of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    begin = [sys.executable, "-m", "dask"]
    commands = [[*begin, "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard", "--no-show"]]
    commands += [[*begin, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]] * workers
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        processes = [subprocess.Popen(command, **quiet) for command in commands]  # type: ignore[call-overload]
        try:
            time.sleep(8)
            yield address
        finally:
            _end(processes)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
        process.wait()


def memory() -> dict[str, float]:
    """Most memory and the time of a million designs: stopped in the middle, taken up again, and read."""
    numbers = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in ("begin", "resume"):
            command = [sys.executable, __file__, "million", str(Path(folder) / "out"), part]
            began_s = time.perf_counter()
            told = subprocess.run(command, check=True, capture_output=True, text=True)
            numbers[f"million_{part}_s"] = time.perf_counter() - began_s
            numbers |= {f"million_{part}_{name}": value for name, value in json.loads(told.stdout).items()}
    return numbers


def million(folder: Path, *, resume: bool) -> None:
    """Half of a million designs, or the other half and the front of all; prints what it took."""
    import resource

    sweeping.judge = stand_in  # type: ignore[assignment]
    hundred = {"from": 1, "to": 100, "steps": 100}
    study = study_of(vary={CLOCK: hundred, "batch": hundred, "seq_len": hundred}, derive={})
    try:
        sweep(study, folder, resume=resume, watch=unwatched if resume else stop_half_way)
    except KeyboardInterrupt:
        designs = POINTS // 2
    else:
        designs = read_results(folder).designs
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    print(json.dumps({"gb": most * unit / 1e9, "designs": designs}))  # noqa: T201


def unwatched(_progress: Progress) -> None:
    """Nobody looks."""


def stop_half_way(progress: Progress) -> None:
    """As Ctrl-C in the middle."""
    if progress.done >= POINTS // 2:
        raise KeyboardInterrupt


def stand_in(_space: Space, designs: Sequence[Design]) -> list[Judged]:
    """Three objectives that pull apart, with a front of some hundred designs, and every tenth design infeasible."""
    judged = []
    for design in designs:
        x, y, z = (float(str(value)) / 100 for value in design.values())
        reason = "bound: x" if (x * 100 + y * 100) % 10 == 0 else ""
        values = (x + z, y + (1 - z) ** 2, (1 - x) * (1 - y) + z / 10)
        judged.append(Judged(values=tuple(round(value, 1) for value in values), infeasible=reason))
    return judged


def searching() -> dict[str, float]:
    """Hypervolume that each sampler reaches with a twentieth of the designs, relative to that of all of them."""
    study = study_of()
    numbers: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_study(study, folder / "all", processes=2)
        volume = _measure(study, folder / "all")
        size = sum(frame.height for frame in frames_of(folder / "all"))
        numbers |= {"space": float(size), "budget": float(int(SHARE * size))}
        known = _known(study, folder / "all")
        for sampler in SAMPLERS:
            shares = [_share(study, sampler, seed, folder, known, volume) for seed in SEEDS]
            numbers |= {f"{sampler}_least_fraction": min(shares), f"{sampler}_mean_fraction": sum(shares) / len(shares)}
    return numbers


def _share(
    study: Study,
    sampler: str,
    seed: int,
    folder: Path,
    known: Callable[[Space, Sequence[Design]], list[Judged]],
    volume: Callable[[Path], float],
) -> float:
    """The share of the hypervolume that one search finds; designs are looked up among those that are known."""
    from attnsim.explore import search as searching_module

    size = Space(study).size
    assert size is not None
    own = study.model_copy(update={"sampler": sampler, "budget": int(SHARE * size), "seed": seed})
    before, searching_module.judge = searching_module.judge, known
    try:
        searching_module.search(own, folder / f"{sampler}-{seed}")
    finally:
        searching_module.judge = before
    return volume(folder / f"{sampler}-{seed}") / volume(folder / "all")


def _measure(study: Study, everything: Path) -> Callable[[Path], float]:
    """The hypervolume of a results folder, in logarithms of the objectives between their least and most of all."""
    names, signs = list(study.objectives), np.array(signs_of(study))
    good = [frame.filter(frame["infeasible"] == "").select(names).to_numpy() for frame in frames_of(everything)]
    costs = np.log(np.concatenate(good)) * signs
    low, high = costs.min(axis=0), costs.max(axis=0)

    def volume(folder: Path) -> float:
        front = np.array([[row[name] for name in names] for row in read_results(folder).front])
        return hypervolume((np.log(front) * signs - low) / (high - low), np.full(len(names), 1.1))

    return volume


def _known(study: Study, everything: Path) -> Callable[[Space, Sequence[Design]], list[Judged]]:
    """Designs as they were judged in a results folder."""
    from attnsim.explore.parameters import key_of

    paths, metrics = list(study.vary), list(study.metrics)
    found = {}
    for frame in frames_of(everything):
        for row in frame.to_dicts():
            values = tuple(row[metric] for metric in metrics)
            found[tuple(row[path] for path in paths)] = Judged(values=values, infeasible=row["infeasible"])
    return lambda _space, designs: [found[key_of(design)] for design in designs]


def page(numbers: dict[str, float]) -> str:
    """The report as markdown."""
    one, two, dask = (numbers[f"{name}_s"] for name in ("one", "processes", "dask"))
    rows = [
        (f"{numbers['designs']:,.0f} designs in one process", f"{one:.1f} s", ""),
        ("in two processes", f"{two:.1f} s, {one / two:.2f} x", "1.8 x"),
        ("on two workers of a Dask cluster", f"{dask:.1f} s, {one / dask:.2f} x", "1.7 x"),
        ("memory of a million designs, first half", f"{numbers['million_begin_gb']:.2f} GB", "at most 1 GB"),
        ("second half, taken up again, and the front", f"{numbers['million_resume_gb']:.2f} GB", "at most 1 GB"),
        ("a million designs around their simulation", f"{_million_s(numbers):.0f} s", ""),
    ]
    searched = [
        f"| {name} | {numbers[f'{name}_mean_fraction']:.1%} | {numbers[f'{name}_least_fraction']:.1%} |"
        for name in SAMPLERS
    ]
    lines = [
        "# Speed and reach of studies",
        "",
        f"On {os.cpu_count()} cores ({platform.machine()}), the least of {REPEATS}; `make bench` measures it again.",
        "Starting processes is within the time, a cluster is there already.",
        "",
        "| what | measured | target |",
        "|---|---|---|",
        *(f"| {what} | {measured} | {target} |" for what, measured, target in rows),
        "",
        "## Searches beside all designs",
        "",
        f"{numbers['space']:,.0f} designs of arrays, buffers, bandwidths and clocks for FuseMax, three objectives;",
        f"searches try {numbers['budget']:,.0f} of them ({SHARE:.0%}). Hypervolume of what they find, relative to that",
        f"of all designs, objectives in logarithms; mean and least of {len(SEEDS)} seeds. The best is to reach 98%.",
        "",
        "| sampler | mean | least |",
        "|---|---:|---:|",
        *searched,
    ]
    return "\n".join([*lines, ""])


def _million_s(numbers: dict[str, float]) -> float:
    return numbers["million_begin_s"] + numbers["million_resume_s"]


if __name__ == "__main__":
    main()
