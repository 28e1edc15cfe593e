"""Attention in all its forms, each written as its definition reads; no cascade, no tiling, no running maximum.

Operands have any leading batch axes, then the axes named in the subscripts: Q[e,p], K[e,m], V[f,m] give AV[f,p].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Operands = Mapping[str, Array]
Sizes = Mapping[str, float]


def scores(x: Operands) -> Array:
    """Products of every key with every query, [..., m, p]."""
    return np.asarray(np.einsum("...ep,...em->...mp", x["Q"], x["K"]))


def softmax_values(weights: Array, mask: Mask, values: Array) -> Array:
    """Average of the values [f,m] with weights proportional to exp(weights[m,p]) where mask[m,p]; 0 without any."""
    raised = np.where(mask, np.exp(weights), 0.0)
    total = raised.sum(axis=-2, keepdims=True)
    share = np.divide(raised, total, out=np.zeros_like(raised), where=total > 0.0)
    return np.asarray(np.einsum("...mp,...fm->...fp", share, values))


def softmax_attention(x: Operands, _n: Sizes) -> tuple[Array, ...]:
    """Vaswani et al. 2017, equation 1, without the scale."""
    s = scores(x)
    return (softmax_values(s, np.ones_like(s, dtype=np.bool_), x["V"]),)


def causal_softmax_attention(x: Operands, _n: Sizes) -> tuple[Array, ...]:
    """Keys up to the query's own position."""
    s = scores(x)
    return (softmax_values(s, _causal(s), x["V"]),)


def sliding_window_attention(x: Operands, n: Sizes) -> tuple[Array, ...]:
    """The W keys that end at the query's own position; a query beyond the keys by W or more has none."""
    s = scores(x)
    key, query = np.indices(s.shape[-2:])
    mask = np.asarray((key <= query) & (key > query - n["W"]))
    return (softmax_values(s, mask, x["V"]),)


def masked_attention(x: Operands, _n: Sizes) -> tuple[Array, ...]:
    """Keys where MASK[m,p] is not zero."""
    return (softmax_values(scores(x), x["MASK"] != 0.0, x["V"]),)


def topk_attention(x: Operands, n: Sizes) -> tuple[Array, ...]:
    """The J keys with the highest scores of each query; all of them if there are fewer."""
    s = scores(x)
    rank = np.argsort(np.argsort(-s, axis=-2), axis=-2)
    return (softmax_values(s, np.asarray(rank < n["J"]), x["V"]),)


def grouped_query_attention(x: Operands, n: Sizes) -> tuple[Array, ...]:
    """Each of G query heads Q[e,g,p] by itself against the shared keys and values."""
    heads = []
    for g in range(x["Q"].shape[-2]):
        alone = {**x, "Q": x["Q"][..., g, :]}
        heads.append(softmax_attention(alone, n)[0])
    return (np.stack(heads, axis=-2),)


def flash_attention(x: Operands, n: Sizes) -> tuple[Array, ...]:
    """Each of G query heads against the shared keys: the W keys that end at position p + PAST of query p."""
    heads = []
    for g in range(x["Q"].shape[-2]):
        s = scores({"Q": x["Q"][..., g, :], "K": x["K"]})
        key, query = np.indices(s.shape[-2:])
        last = query + n["PAST"]
        heads.append(softmax_values(s, np.asarray((key <= last) & (key > last - n["W"])), x["V"]))
    return (np.stack(heads, axis=-2),)


def prefix_attention(x: Operands, n: Sizes) -> tuple[Array, ...]:
    """Attention of the query Q[e] to the first 1, 2, ... M keys, [..., f, m]."""
    results = []
    for last in range(1, x["K"].shape[-1] + 1):
        part = {"Q": x["Q"][..., None], "K": x["K"][..., :last], "V": x["V"][..., :last]}
        results.append(softmax_attention(part, n)[0][..., 0])
    return (np.stack(results, axis=-1),)


def sigmoid_attention(x: Operands, _n: Sizes) -> tuple[Array, ...]:
    """Ramapuram et al. 2024: sigmoid(score - log of the number of keys) in place of the softmax."""
    weights = 1.0 / (1.0 + x["K"].shape[-1] * np.exp(-scores(x)))
    return (np.asarray(np.einsum("...mp,...fm->...fp", weights, x["V"])),)


def linear_attention(x: Operands, _n: Sizes) -> tuple[Array, ...]:
    """Katharopoulos et al. 2020, equation 3 with the kernel phi(q) . phi(k), phi = elu + 1."""
    weights = scores({"Q": _phi(x["Q"]), "K": _phi(x["K"])})
    return (_normalized(weights, x["V"]),)


def causal_linear_attention(x: Operands, _n: Sizes) -> tuple[Array, ...]:
    """Katharopoulos et al. 2020, equation 8: linear attention to the keys up to the query's own position."""
    weights = scores({"Q": _phi(x["Q"]), "K": _phi(x["K"])})
    return (_normalized(np.where(_causal(weights), weights, 0.0), x["V"]),)


def _causal(s: Array) -> Mask:
    return np.asarray(np.tri(s.shape[-1], s.shape[-2], dtype=np.bool_).T)


def _phi(x: Array) -> Array:
    return np.asarray(np.where(x > 0.0, x, np.expm1(x)) + 1.0)


def _normalized(weights: Array, values: Array) -> Array:
    share = weights / weights.sum(axis=-2, keepdims=True)
    return np.asarray(np.einsum("...mp,...fm->...fp", share, values))
