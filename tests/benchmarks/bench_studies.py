"""How studies scale: processes and Dask workers, memory of a million designs, and how much of a front a search finds.

Writes reports/performance/studies.md and studies.json. Times are by the clock on the wall, the least of several, taken
in turn. The million designs are simulated, all of them, by two processes that are killed half way.
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
from million import VARIED, killed, million

from attnsim.explore.evaluate import Judged
from attnsim.explore.front import hypervolume
from attnsim.explore.results import read_results
from attnsim.explore.run import run_study
from attnsim.explore.space import Design, Space
from attnsim.explore.store import frames_of
from attnsim.explore.sweep import signs_of
from attnsim.specs.study import Study, load_study

REPORTS = Path(__file__).parents[2] / "reports" / "performance"
REPEATS = 2
DESIGNS = 120_000
"""So many that starting processes, about a second, is little beside them."""
BATCH = 256
SHARE = 0.05
SEEDS = (0, 1, 2)
SAMPLERS = ("random", "sobol", "nsga2", "nsga3", "tpe")
SHIPPED = "fusemax_search"
BANDWIDTH = "hardware.memories.dram.bandwidth"


def main() -> None:
    """Measure and write the report."""
    steps = {"from": "50 GB/s", "to": "800 GB/s", "steps": 200}
    numbers = {
        **scaling(),
        **million(study_of(vary={**_arrays(), **VARIED})),
        **killed(study_of(vary={**load_study(SHIPPED).vary, BANDWIDTH: steps, "seq_len": [16384, 65536]})),
        **searching(),
    }
    REPORTS.mkdir(parents=True, exist_ok=True)
    kept = {name: float(f"{value:.3g}") for name, value in numbers.items()}
    (REPORTS / "studies.json").write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", "utf-8", newline="\n")
    (REPORTS / "studies.md").write_text(page(kept), encoding="utf-8", newline="\n")
    print(page(kept))  # noqa: T201


def study_of(**changes: object) -> Study:
    """The shipped study of a search, all of its designs, with changes."""
    document = load_study(SHIPPED).model_dump(by_alias=True, exclude_none=True)
    return Study.model_validate({**document, "sampler": "grid", "record": [], **changes})


def _arrays() -> dict[str, object]:
    return {path: values for path, values in load_study(SHIPPED).vary.items() if path.startswith("hardware.arrays.")}


def scaling() -> dict[str, float]:
    """Seconds of one study in this process, in two processes and on two workers of a cluster."""
    study = study_of(vary={BANDWIDTH: {"from": "50 GB/s", "to": "800 GB/s", "steps": DESIGNS}})
    took: dict[str, list[float]] = {"one": [], "processes": [], "dask": []}
    with cluster(2) as scheduler:
        for _ in range(REPEATS):
            took["one"].append(_took_s(study))
            took["processes"].append(_took_s(study, processes=2))
            took["dask"].append(_took_s(study, scheduler=scheduler))
    return {"designs": float(DESIGNS), **{f"{name}_s": min(times) for name, times in took.items()}}


def _took_s(study: Study, **options: object) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.perf_counter()
        run_study(study, Path(folder) / "out", batch=BATCH, **options)  # type: ignore[arg-type]
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
        numbers["front"] = float(len(read_results(folder / "all").front))
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
        ("a million designs in two processes", f"{_million_s(numbers):.0f} s", ""),
        ("memory of all processes, to a kill -9 half way", f"{numbers['million_begin_gb']:.2f} GB", "at most 1 GB"),
        ("taken up again, to the end", f"{numbers['million_resume_gb']:.2f} GB", "at most 1 GB"),
        ("designs written before the kill, and at the end", _written(numbers), ""),
        (f"killed at {numbers['kills']:.0f} random moments, then to the end", _same(numbers), "the same bytes"),
        ("the front of the million", f"{numbers['million_front']:,.0f} designs", ""),
        ("designs that are wrongly on it or off it", f"{numbers['million_wrong']:.0f}", "0"),
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
        f"{numbers['space']:,.0f} designs of arrays, buffers and bandwidths for FuseMax, three objectives;",
        f"searches try {numbers['budget']:,.0f} of them ({SHARE:.0%}). Hypervolume of what they find, relative to that",
        f"of all designs, objectives in logarithms; mean and least of {len(SEEDS)} seeds. The best is to reach 98%.",
        "",
        "| sampler | mean | least |",
        "|---|---:|---:|",
        *searched,
    ]
    return "\n".join([*lines, ""])


def _written(numbers: dict[str, float]) -> str:
    return f"{numbers['million_begin_designs']:,.0f}, {numbers['million_resume_designs']:,.0f}"


def _same(numbers: dict[str, float]) -> str:
    return "the same bytes" if numbers["kills_same"] else "OTHER ROWS"


def _million_s(numbers: dict[str, float]) -> float:
    return numbers["million_begin_s"] + numbers["million_resume_s"]


if __name__ == "__main__":
    main()
