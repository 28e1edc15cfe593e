"""Grids that are swept: batches, what is counted, and designs that are not feasible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from attnsim.errors import AttnSimError
from attnsim.explore.evaluate import Judged
from attnsim.explore.results import read_results
from attnsim.explore.store import parts_of, span_of
from attnsim.explore.sweep import Progress, sweep
from attnsim.specs.study import Study

Tiny = Callable[..., Study]
BUFFER, BANDWIDTH = "hardware.memories.global_buffer.capacity", "hardware.memories.dram.bandwidth"


def rule(design: dict[str, str]) -> Judged:
    """Small buffers do not fit; latency falls with the bandwidth, energy rises with the buffer."""
    if design[BUFFER] == "16 MiB":
        return Judged(values=(None, None), infeasible="does not fit global_buffer")
    speed, place = float(design[BANDWIDTH].split()[0]), float(design[BUFFER].split()[0])
    return Judged(values=(1600 / speed, place + speed / 100), infeasible="")


def test_a_grid_ends_with_every_design_and_its_front(tiny: Tiny, judged_by: Callable, tmp_path: Path) -> None:
    judged_by(rule)
    seen: list[int] = []
    progress = sweep(tiny(), tmp_path / "out", batch=5, watch=lambda now: seen.append(now.done))
    assert seen == [0, 5, 10, 15, 20, 25, 30, 32]
    assert (progress.designs, progress.feasible, progress.reasons) == (
        32,
        24,
        Counter(["does not fit global_buffer"] * 8),
    )
    assert [span_of(path) for path in parts_of(tmp_path / "out")] == [(n, min(5, 32 - n)) for n in range(0, 32, 5)]
    results = read_results(tmp_path / "out")
    assert [(row["latency_s"], row["energy_j.total"]) for row in results.front] == [(1, 48), (2, 40), (4, 36), (8, 34)]
    assert [row["design"] for row in results.front] == progress.front.numbers.tolist()[::-1]


def test_designs_that_others_switch_off_are_counted_and_not_judged(
    tiny: Tiny, judged_by: Callable, tmp_path: Path
) -> None:
    judged_by(rule)
    progress = sweep(tiny(only={BANDWIDTH: {"mapping": ["cascade"]}}), tmp_path / "out", batch=6)
    assert (progress.done, progress.designs) == (32, 4 * 4 + 4)


def test_an_interrupt_leaves_what_is_written_to_be_taken_up(tiny: Tiny, judged_by: Callable, tmp_path: Path) -> None:
    judged_by(rule)

    def watch(progress: Progress) -> None:
        if progress.done == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(tiny(), tmp_path / "out", batch=5, watch=watch)
    progress = sweep(tiny(), tmp_path / "out", batch=8, resume=True)
    assert (progress.fresh, progress.designs, progress.feasible) == (17, 32, 24)
    assert read_results(tmp_path / "out").designs == 32


def test_a_design_that_cannot_be_made_is_a_reason_of_its_own(tiny: Tiny, tmp_path: Path) -> None:
    progress = sweep(tiny(vary={"mapping": ["cascade", "unfused"], BUFFER: ["16 MiB", "-1 MiB"]}), tmp_path / "out")
    assert (progress.designs, progress.feasible) == (4, 2)
    assert len(progress.reasons) == 1


def test_bounds_are_reasons(tiny: Tiny, tmp_path: Path) -> None:
    study = tiny(vary={"mapping": ["cascade"], "batch": [1, 64]}, subject_to=["latency_s <= 1 ms"])
    progress = sweep(study, tmp_path / "out")
    assert progress.reasons == {"bound: latency_s <= 1 ms": 1}


@pytest.mark.parametrize("aggregate", ["mean", "sum", "largest", "geometric"])
def test_metrics_of_workloads_become_one(tiny: Tiny, tmp_path: Path, aggregate: str) -> None:
    base = {"hardware": "fusemax", "model": "bert", "seq_len": 1024}
    workloads = [{"batch": 1}, {"batch": 64}]
    vary = {"mapping": ["cascade"]}
    one, other = (
        sweep(tiny(vary=vary, base={**base, **load}), tmp_path / str(load["batch"])).front.values[0, 0]
        for load in workloads
    )
    both = sweep(tiny(vary=vary, base=base, workloads=workloads, aggregate=aggregate), tmp_path / "both")
    expected = {"mean": (one + other) / 2, "sum": one + other, "largest": other, "geometric": (one * other) ** 0.5}
    assert both.front.values[0, 0] == pytest.approx(expected[aggregate])


def test_a_search_space_without_end_is_no_grid(tiny: Tiny, tmp_path: Path) -> None:
    study = tiny(vary={BUFFER: {"from": "1 MiB", "to": "9 MiB"}}, sampler="random", budget=3)
    with pytest.raises(AttnSimError, match="has no end of values, and a grid takes them all; give steps"):
        sweep(study, tmp_path / "out")
