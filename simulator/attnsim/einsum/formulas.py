"""What a cascade claims to compute, as a formula written directly in numpy: the values to check the evaluator against.

A cascade names its formula in `computes`. A formula knows nothing of cascades but the ranks of its operands; `expected`
lines a cascade's tensors up with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from attnsim.einsum import formulas_attention as attention
from attnsim.einsum import formulas_layers as layers
from attnsim.einsum.ast import Cascade
from attnsim.einsum.bindings import bind
from attnsim.einsum.numerics import Array
from attnsim.einsum.shapes import tensor_ranks
from attnsim.errors import CascadeError, Problem

Compute = Callable[[Mapping[str, Array], Mapping[str, float]], tuple[Array, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A function of (inputs by name, sizes and constants by name) to a tuple of outputs.

    inputs, outputs: rank names of each operand, separated by blanks, in the order that `compute` wants and gives them;
    batch ranks lead. Outputs are those of the cascade in its order.
    """

    inputs: Mapping[str, str]
    outputs: tuple[str, ...]
    compute: Compute


_QKV = {"Q": "E P", "K": "E M", "V": "F M"}
_AV = ("F P",)
_ENCODER = {
    "X": "B P D",
    "WQ": "H E D",
    "WK": "H E D",
    "WV": "H F D",
    "WO": "D H F",
    "G1": "D",
    "C1": "D",
    "W1": "S D",
    "W2": "D S",
    "G2": "D",
    "C2": "D",
}
_DECODER = {
    "X": "B P D",
    "KC": "B H E M",
    "VC": "B H F M",
    "G1": "D",
    "WQ": "H G E D",
    "WK": "H E D",
    "WV": "H F D",
    "WO": "D H G F",
    "G2": "D",
    "WG": "S D",
    "WU": "S D",
    "WD": "D S",
}

FORMULAS: dict[str, Formula] = {
    "gemm": Formula(inputs={"A": "K M", "B": "K N"}, outputs=("M N",), compute=layers.gemm),
    "conv1d": Formula(inputs={"X": "B C W", "G": "K C R"}, outputs=("B K Q",), compute=layers.conv1d),
    "layer_norm": Formula(
        inputs={"X": "D P", "G": "D", "C": "D"}, outputs=("D P",), compute=layers.layer_norm_of_columns
    ),
    "residual_add": Formula(inputs={"X": "D P", "Z": "D P"}, outputs=("D P",), compute=layers.residual_add),
    "gelu": Formula(inputs={"X": "S P"}, outputs=("S P",), compute=layers.gelu),
    "encoder_layer": Formula(inputs=_ENCODER, outputs=("B P D",), compute=layers.encoder_layer),
    "decoder_layer": Formula(inputs=_DECODER, outputs=("B P D", "B H E P", "B H F P"), compute=layers.decoder_layer),
    "softmax_attention": Formula(inputs=_QKV, outputs=_AV, compute=attention.softmax_attention),
    "causal_softmax_attention": Formula(inputs=_QKV, outputs=_AV, compute=attention.causal_softmax_attention),
    "sliding_window_attention": Formula(inputs=_QKV, outputs=_AV, compute=attention.sliding_window_attention),
    "masked_attention": Formula(inputs={**_QKV, "MASK": "M P"}, outputs=_AV, compute=attention.masked_attention),
    "topk_attention": Formula(inputs=_QKV, outputs=_AV, compute=attention.topk_attention),
    "sigmoid_attention": Formula(inputs=_QKV, outputs=_AV, compute=attention.sigmoid_attention),
    "linear_attention": Formula(inputs=_QKV, outputs=_AV, compute=attention.linear_attention),
    "causal_linear_attention": Formula(inputs=_QKV, outputs=_AV, compute=attention.causal_linear_attention),
    "prefix_attention": Formula(
        inputs={"Q": "E", "K": "E M", "V": "F M"}, outputs=("F M",), compute=attention.prefix_attention
    ),
    "grouped_query_attention": Formula(
        inputs={"Q": "E G P", "K": "E M", "V": "F M"},
        outputs=("F G P",),
        compute=attention.grouped_query_attention,
    ),
    "flash_attention": Formula(
        inputs={"Q": "E G P", "K": "E M", "V": "F M"}, outputs=("F G P",), compute=attention.flash_attention
    ),
}
"""Formulas by the name that a cascade's `computes` gives."""


def expected(
    cascade: Cascade,
    extents: Mapping[str, int],
    inputs: Mapping[str, Array],
    constants: Mapping[str, float] | None = None,
) -> dict[str, Array]:
    """Outputs of a cascade by its formula, in the cascade's own rank order; absent points are 0.

    Arguments as for `attnsim.einsum.evaluate.evaluate`. Raises CascadeError if the cascade names no known formula.
    """
    formula = FORMULAS.get(cascade.computes)
    if formula is None:
        known = ", ".join(FORMULAS)
        what = f"{cascade.name} computes {cascade.computes!r}, for which there is no formula"
        raise CascadeError(Problem(what=what, remedy=f"known: {known}"))
    bindings = bind(cascade, extents, constants or {})
    ranks = tensor_ranks(cascade)
    batch = len(cascade.batch)
    operands = {
        name: _permuted(np.asarray(inputs[name]), batch, ranks[name], tuple(order.split()))
        for name, order in formula.inputs.items()
    }
    results = formula.compute(operands, {**bindings.sizes, **bindings.constants})
    return {
        name: _permuted(result, batch, tuple(order.split()), ranks[name])
        for name, order, result in zip(cascade.outputs, formula.outputs, results, strict=True)
    }


def _permuted(values: Array, batch: int, have: tuple[str, ...], want: tuple[str, ...]) -> Array:
    """Axes reordered from ranks `have` to ranks `want` behind the batch axes; other names are taken in order."""
    if set(have) != set(want):
        return values
    return np.transpose(values, [*range(batch), *(batch + have.index(rank) for rank in want)])
