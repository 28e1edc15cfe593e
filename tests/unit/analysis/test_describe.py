"""The text and the dict of an analysis: one golden text for every shipped cascade."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from attnsim.analysis import analyse, describe, to_dict
from attnsim.einsum.ast import Cascade
from attnsim.specs.cascade import cascade_path, load_cascade
from attnsim.specs.library import names

SIZES = {"B": 2, "H": 4, "G": 2, "P": 1000, "M": 1000, "E": 64, "F": 64, "D": 512, "S": 2048, "J": 32, "K": 3, "R": 5}
TILES = {"M0": 128, "P0": 128}
OTHERS = {"N": 96, "C": 8, "W": 256, "Q": 254}


def shipped(name: str) -> Cascade:
    """A shipped cascade by name."""
    assert cascade_path(name).is_file()
    return load_cascade(name)


def extents_of(cascade: Cascade) -> dict[str, int]:
    """One size for each rank and each open constant, the same in all cascades."""
    known = {**SIZES, **TILES, **OTHERS}
    ranks = [rank for rank, _ in (*cascade.ranks, *cascade.constants)] + [
        part for split in cascade.splits for part in split.parts[1:]
    ]
    return {rank: known[rank] for rank in ranks if rank in known}


@pytest.mark.parametrize("name", names("cascade"))
def test_the_text_for_a_shipped_cascade_is_the_golden_one(name: str, golden: Callable[[str, str], None]) -> None:
    cascade = shipped(name)
    golden(f"analysis/{name}.txt", describe(analyse(cascade, extents_of(cascade))))


@pytest.mark.parametrize("name", names("cascade"))
def test_the_dict_of_an_analysis_survives_json(name: str) -> None:
    cascade = shipped(name)
    written = to_dict(analyse(cascade, extents_of(cascade)))
    assert json.loads(json.dumps(written)) == written


def test_the_analysis_says_which_tile_it_assumed() -> None:
    cascade = shipped("attention_1pass")
    analysis = analyse(cascade, {"B": 1, "H": 1, "P": 1000, "M": 1000, "E": 64, "F": 64})
    assert analysis.assumed == {"M0": 256}
    assert "assumed      M0=256 (not given)" in describe(analysis)


def test_growing_passes_are_told_in_words(cascade_of: Callable[..., Cascade]) -> None:
    decode = cascade_of("M T", "X[m]", "N[t,m]=X[m]*H[t]; H[t+1]=N[t,m]; O=H[T]", iterate="t", start="H")
    assert "and 1 more for each further step of T" in describe(analyse(decode, {"M": 8, "T": 5}))
