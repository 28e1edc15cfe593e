"""Systolic arrays: how many passes a matrix product takes and how long each is, by what stays in the array.

(M, N, K) x arrays -> Passes, in cycles. A pass works on one stationary tile of rows x columns: it is loaded row by row,
then the third dimension streams through, skewed by a cycle for each row and column (Kung and Leiserson 1979; SCALE-Sim,
ISPASS 2020, section 2 and its analytical model). Several arrays that hold the same tile share what streams.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from attnsim.specs.npu_pim import Arrays, Dataflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """Passes over a product. first, second: tiles along the two stationary dimensions. streamed: vectors of a pass.

    loading: cycles to load a stationary tile; streaming: for what streams on the fullest array; skew: from the first
    vector in to the last result out, beside them.
    """

    first: int
    second: int
    streamed: int
    loading: int
    streaming: int
    skew: int

    @property
    def count(self) -> int:
        """Passes of all tiles."""
        return self.first * self.second

    @property
    def alone_cycles(self) -> int:
        """Cycles of one pass from an empty array to its last result."""
        return self.loading + self.streaming + self.skew


def passes_of(arrays: Arrays, m: int, n: int, k: int) -> Passes:
    """Passes of Z[m,n] = sum of A[m,k] B[k,n].

    Stationary are: B with k along the rows and n along the columns (weight stationary), A with k and m (input
    stationary), or Z with m and n (output stationary), which needs no loading.
    """
    dims: dict[Dataflow, tuple[int, int, int]] = {
        "weight_stationary": (k, n, m),
        "input_stationary": (k, m, n),
        "output_stationary": (m, n, k),
    }
    along_rows, along_columns, streamed = dims[arrays.dataflow]
    stationary = arrays.dataflow != "output_stationary"
    return Passes(
        first=math.ceil(along_rows / arrays.rows),
        second=math.ceil(along_columns / arrays.columns),
        streamed=streamed,
        loading=arrays.rows if stationary else 0,
        streaming=math.ceil(streamed / arrays.count),
        skew=arrays.rows + arrays.columns - 2,
    )


def isolated_cycles(arrays: Arrays, m: int, n: int, k: int) -> int:
    """Cycles of a product whose passes follow one another without overlap, counted from 0 to the last one."""
    passes = passes_of(arrays, m, n, k)
    return passes.count * passes.alone_cycles - 1


def pass_cycles(arrays: Arrays, passes: Passes) -> int:
    """Cycles between the starts of two passes that overlap otherwise: load the tile, then stream what is left.

    While the last rows of a tile are loaded, the first vectors of the array already stream; with a second set of
    registers (`overlapped`) the whole tile is loaded behind the pass before.
    """
    if arrays.overlapped:
        return max(passes.loading, passes.streaming)
    behind = min(passes.streaming, math.ceil(passes.loading / arrays.count))
    return passes.loading + passes.streaming - behind
