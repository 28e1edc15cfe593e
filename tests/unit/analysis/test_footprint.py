"""What has to stay live: full fibers where a rank takes several sweeps, tiles elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from attnsim.analysis import analyse
from attnsim.analysis.footprint import Footprint
from attnsim.einsum.ast import Cascade
from attnsim.specs.cascade import load_cascade

ATTENTION = {"P": 512, "M": 1000, "E": 64, "F": 64}


def kept(live: Footprint) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Words of a fiber and the sweeps that touch it, by tensor."""
    return {c.tensor: (c.fiber_words, c.sweeps) for c in live.crossings}


def test_three_passes_keep_scores_and_then_exponentials() -> None:
    live = analyse(load_cascade("attention_3pass"), ATTENTION).footprints
    assert kept(live["M"]) == {"QK": (1000, (1, 2)), "SN": (1000, (2, 3))}
    assert live["M"].live_words == 1000


def test_one_pass_keeps_a_tile_of_scores() -> None:
    live = analyse(load_cascade("attention_1pass"), {**ATTENTION, "M0": 128}).footprints
    assert {rank: kept(footprint) for rank, footprint in live.items()} == {"M0": {"QK": (128, (1, 2))}}


def test_an_input_that_is_needed_twice_may_be_read_twice(cascade_of: Callable[..., Cascade]) -> None:
    live = analyse(cascade_of("M", "X[m]", "U=X[m]; V=square(X[m]-U/M)"), {"M": 10}).footprints["M"]
    assert [(c.tensor, c.is_input) for c in live.crossings] == [("X", True)]


def test_what_only_a_later_sweep_needs_is_made_in_that_sweep(cascade_of: Callable[..., Cascade]) -> None:
    late = cascade_of("M", "X[m] Y[m]", "U=X[m]; T[m]=exp(Y[m]); Z[m]=X[m]*U*T[m]")
    assert set(kept(analyse(late, {"M": 10}).footprints["M"])) == {"X"}


def test_an_unrelated_tensor_waits_in_memory(cascade_of: Callable[..., Cascade]) -> None:
    analysis = analyse(cascade_of("M", "X[m] Y[m]", "G=max(m) X[m]; Z[m]=Y[m]-G"), {"M": 10})
    assert analysis.footprints == {}
    assert dict(analysis.passes["M"].sweep) == {"G": 1, "Z": 2}
