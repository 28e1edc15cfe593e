"""Decode batches in a steady state, drawn from the lengths of a data set.

A server that starts a request whenever another one ends holds a request for as many steps as it has outputs. A request
of the running batch is hence one of the data set with a probability proportional to its output length, at a progress u
that is uniform: it sees its input and the outputs so far, u of them all. NeuPIMs (ASPLOS 2024) takes its batches from
such a server after many steps.
"""

from __future__ import annotations

import math

import numpy as np

from attnsim.requests.lengths import DATASETS
from attnsim.requests.request import DecodeRequest

LONGEST_CONTEXT = 2048
"""Contexts are cut there, as in the artifact of NeuPIMs: the longest that GPT-3 takes."""


def steady_state_batch(name: str, batch: int, seed: int) -> tuple[DecodeRequest, ...]:
    """A batch of the data set `name`, from the generator PCG64 seeded with `seed`, which is not negative.

    A smaller batch of the same seed is the beginning of a larger one.
    """
    dataset = DATASETS[name]
    outputs = dataset.outputs.by_length()
    drawn = np.random.Generator(np.random.PCG64(seed)).random((batch, 4))
    return tuple(
        DecodeRequest(keys=_context(dataset.input_at(part, first), outputs.at(second), progress))
        for part, first, second, progress in drawn.tolist()
    )


def _context(inputs: int, outputs: int, progress: float) -> int:
    """Keys of a request at a progress of [0, 1): its inputs and the outputs so far, the one that is made included."""
    return min(LONGEST_CONTEXT, inputs + max(1, math.ceil(progress * outputs)))
