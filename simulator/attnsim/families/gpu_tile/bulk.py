"""Many problems of one kernel at once: the same launches as a single run, without a graph for each.

Rows of `columns.COLUMNS` -> seconds and what limits each. A test holds both paths to the same numbers
(tests/conformance/test_bulk.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from attnsim.engine.compiled import compiled
from attnsim.engine.grid_kernel import Ints
from attnsim.families.gpu_tile.columns import AT, CONSTANT, Floats
from attnsim.families.gpu_tile.plan import (
    BEFORE,
    COMPUTE,
    DRAM_MOVED,
    DRAM_RATE,
    L2_MOVED,
    L2_RATE,
    PLAN_SIZE,
    attention_seconds,
    combine_seconds,
    plan,
    write_seconds,
)

PARTS = ("launch", "sm", "l2", "dram", "write", "combine")
"""What the seconds of a problem go to: the columns of the second result of `run_bulk`."""

_M, _GROUP, _QUERIES, _SPLITS, _SECTION, _SLOTS = (
    AT[name] for name in ("m", "group", "queries", "splits", "section", "slots")
)
_L2, _DRAM = CONSTANT["l2"], CONSTANT["dram"]


def run_bulk(rows: Floats, constants: Floats, gpu: Floats) -> tuple[npt.NDArray[np.float64], Floats]:
    """(seconds of each problem, seconds by part of each). rows: (problems, columns); gpu: as `plan` takes it."""
    seconds, parts = np.zeros(len(rows)), np.zeros((len(rows), len(PARTS)))
    if not len(rows):
        return seconds, parts
    blocks = -(-rows[:, _QUERIES] * rows[:, _GROUP] // rows[:, _M]) * rows[:, _SPLITS]
    longest = int(blocks.max())
    copy = int((blocks * np.maximum(rows[:, _SECTION], 1.0)).max())
    slots, sms = int(rows[:, _SLOTS].max()), int(gpu[0])
    _run_rows(
        rows,
        constants,
        gpu,
        np.zeros(longest),
        np.zeros(max(copy, slots * sms)),
        np.zeros((3 + slots, sms)),
        np.zeros((3, sms), np.int64),
        np.zeros(PLAN_SIZE),
        seconds,
        parts,
    )
    return seconds, parts


@compiled
def _run_rows(
    rows: Floats,
    constants: Floats,
    gpu: Floats,
    works: Floats,
    order: Floats,
    scratch: Floats,
    marks: Ints,
    planned: Floats,
    seconds: npt.NDArray[np.float64],
    parts: Floats,
) -> None:
    for index in range(len(rows)):
        row = rows[index]
        plan(row, constants, gpu, works, order, scratch, marks, planned)
        write, combine = write_seconds(row, constants, gpu), combine_seconds(row, constants, gpu)
        seconds[index] = attention_seconds(planned, constants, gpu) + write + combine
        parts[index, 0] = planned[BEFORE]
        parts[index, 1] = planned[COMPUTE]
        parts[index, 2] = planned[L2_MOVED] / (constants[_L2] * gpu[L2_RATE])
        parts[index, 3] = planned[DRAM_MOVED] / (constants[_DRAM] * gpu[DRAM_RATE])
        parts[index, 4] = write
        parts[index, 5] = combine
