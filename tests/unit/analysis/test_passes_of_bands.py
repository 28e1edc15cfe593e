"""Passes over bands of a split rank: a band is longer than a tile and shorter than the fiber, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from attnsim.analysis.passes import count_passes
from attnsim.einsum.ast import Cascade

ONLINE = (
    "L[m1,p]=max(m0) S[m1,m0,p] where {mask}; C[m1+1,p]=max(C[m1,p],L[m1,p]); "
    "N[m1,m0,p]=exp(S[m1,m0,p]-C[m1+1,p]) where {mask}; D[m1,p]=N[m1,m0,p]"
)
ONLINE_OF_TILES = (
    "L[m2,p]=max(m1,m0) S[m2,m1,m0,p] where {mask}; C[m2+1,p]=max(C[m2,p],L[m2,p]); "
    "N[m2,m1,m0,p]=exp(S[m2,m1,m0,p]-C[m2+1,p]) where {mask}; D[m2,p]=N[m2,m1,m0,p]"
)
DEFERRED = (
    "T[m1,m0,p]=S[m1,m0,p] where {mask}; L[m1,p]=max(m0) T[m1,m0,p]; G[p]=max(m1) L[m1,p]; "
    "N[m1,m0,p]=exp(T[m1,m0,p]-G[p])"
)
TILES = {"split": "M=M1,M0"}

# The online maximum goes over a band once, on whichever side of the diagonal it lies and however its ends are written:
# what a tile needs is the tiles before it, of which a band has some.
BANDS = {
    "of the keys before": "m<=p, p-m<4",
    "of the keys before, in one condition": "0<=p-m<4",
    "of the keys before a later one": "0<=p+7-m<128",
    "of the keys after": "0<=m-p<4",
    "of the keys around": "m-p<128, p-m<128",
    "open on the left": "m<=p+7",
    "open on the right": "p-m<4",
}
ONLINE_BANDS = {
    f"online maximum over a band {name}": (
        "M P",
        "S[m,p]",
        ONLINE.format(mask=mask),
        {**TILES, "same": "P=M", "iterate": "m1", "start": "C"},
        {"M": 1, "M1": 1, "M0": 2},
    )
    for name, mask in BANDS.items()
}
DEFERRED_BANDS = {
    f"maximum of all tiles, then over the tiles again, in a band {name}": (
        "M P",
        "S[m,p]",
        DEFERRED.format(mask=mask),
        {**TILES, "same": "P=M"},
        {"M": 2, "M1": 2, "M0": 2},
    )
    for name, mask in BANDS.items()
}

NESTED_BANDS = {
    f"online maximum over tiles of tiles in a band {name}": (
        "M P",
        "S[m,p]",
        ONLINE_OF_TILES.format(mask=mask),
        {"split": "M=M2,M1,M0", "same": "P=M", "iterate": "m2", "start": "C"},
        {"M": 1, "M2": 1, "M1": 2, "M0": 2},
    )
    for name, mask in {"open on the left": "m<=p", "of the keys before": BANDS["of the keys before"]}.items()
}

CASES = {**ONLINE_BANDS, **NESTED_BANDS, **DEFERRED_BANDS}


@pytest.mark.parametrize("name", CASES)
def test_passes_over_a_band_are_those_over_a_full_fiber(name: str, cascade_of: Callable[..., Cascade]) -> None:
    ranks, inputs, einsums, more, expected = CASES[name]
    counted = count_passes(cascade_of(ranks, inputs, einsums, **more), {})
    assert {rank: counted[rank].count for rank in expected} == expected
    assert {rank: len(counted[rank].witness) + 1 for rank in expected} == expected
