"""Decode batches in a steady state, drawn from the lengths of a trace.

A server that starts a request whenever another one ends holds a request for as many steps as it has outputs. A request
of the running batch is hence one of the trace with a probability proportional to its output length, at a progress u
that is uniform: it sees its input and the outputs so far, u of them all. NeuPIMs (ASPLOS 2024) takes its batches from
such a server after many steps.
"""

from __future__ import annotations

import math

import numpy as np

from attnsim.requests.lengths import mixture
from attnsim.requests.request import DecodeRequest
from attnsim.specs.trace import shipped_trace


def steady_state_batch(name: str, batch: int, seed: int) -> tuple[DecodeRequest, ...]:
    """A batch of the shipped trace `name`, from the generator PCG64 seeded with `seed`, which is not negative.

    A smaller batch of the same seed is the beginning of a larger one.
    """
    trace = shipped_trace(name)
    inputs, outputs = mixture(trace.prompt), mixture(trace.generated).by_length()
    columns = 4 if len(trace.generated) == 1 else 5
    drawn = np.random.Generator(np.random.PCG64(seed)).random((batch, columns)).T
    input_lengths = inputs.at_each(drawn[0], drawn[1]).tolist()
    output_lengths = outputs.at_each(drawn[-1], drawn[2]).tolist()
    contexts = map(_context, input_lengths, output_lengths, drawn[3].tolist())
    longest = trace.longest_context
    return tuple(DecodeRequest(keys=keys if longest is None else min(longest, keys)) for keys in contexts)


def _context(inputs: int, outputs: int, progress: float) -> int:
    """Keys of a request at a progress of [0, 1): its inputs and the outputs so far, the one that is made included."""
    return inputs + max(1, math.ceil(progress * outputs))
