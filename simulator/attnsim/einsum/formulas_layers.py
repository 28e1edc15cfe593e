"""Matrix product, convolution, norms and whole transformer layers, each written as its definition reads."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from attnsim.einsum.formulas_attention import Array, Operands, Sizes, softmax_values


def gemm(x: Operands, _n: Sizes) -> tuple[Array, ...]:
    """A[k,m], B[k,n] -> the product of A transposed and B."""
    return (np.asarray(x["A"].T @ x["B"]),)


def conv1d(x: Operands, n: Sizes) -> tuple[Array, ...]:
    """X[b,c,w], G[k,c,r] -> correlation with stride STRIDE of X, padded by PAD zeros on the left and enough on the
    right."""
    stride, pad, positions = int(n["STRIDE"]), int(n["PAD"]), int(n["Q"])
    window = x["G"].shape[-1]
    padded = np.pad(x["X"], ((0, 0), (0, 0), (pad, positions * stride + window)))
    columns = [
        np.einsum("bcr,kcr->bk", padded[:, :, q * stride : q * stride + window], x["G"]) for q in range(positions)
    ]
    return (np.stack(columns, axis=-1),)


def layer_norm_of_columns(x: Operands, n: Sizes) -> tuple[Array, ...]:
    """Layer norm of X[d,p] over d with gain G[d] and bias C[d]."""
    return (_layer_norm(x["X"].T, x["G"], x["C"], n["eps"]).T,)


def residual_add(x: Operands, _n: Sizes) -> tuple[Array, ...]:
    """Sum of X[d,p] and Z[d,p]."""
    return (x["X"] + x["Z"],)


def gelu(x: Operands, _n: Sizes) -> tuple[Array, ...]:
    """GELU of every value of X[s,p]."""
    return (_gelu(x["X"]),)


def encoder_layer(x: Operands, n: Sizes) -> tuple[Array, ...]:
    """Vaswani et al. 2017: norm(y + ffn(y)) with y = norm(x + attention(x)), token by token rows."""
    attended = np.stack([_encoder_attention(tokens, x) for tokens in x["X"]])
    y = _layer_norm(x["X"] + attended, x["G1"], x["C1"], n["eps"])
    hidden = _gelu(y @ x["W1"].T)
    return (_layer_norm(y + hidden @ x["W2"].T, x["G2"], x["C2"], n["eps"]),)


def decoder_layer(x: Operands, n: Sizes) -> tuple[Array, ...]:
    """LLaMA 2: y = x + attention(norm(x)), y + ffn(norm(y)); the new tokens come after M-P tokens of the cache."""
    normed = _rms_norm(x["X"], x["G1"], n["eps"])
    new_keys = np.einsum("bpd,hed->bhep", normed, x["WK"])
    new_values = np.einsum("bpd,hfd->bhfp", normed, x["WV"])
    old = int(n["M"]) - int(n["P"])
    keys = np.concatenate([x["KC"][..., :old], new_keys], axis=-1)
    values = np.concatenate([x["VC"][..., :old], new_values], axis=-1)
    attended = np.zeros_like(x["X"])
    for h in range(x["WQ"].shape[0]):
        for g in range(x["WQ"].shape[1]):
            queries = normed @ x["WQ"][h, g].T
            out = _causal_at_end(queries, keys[:, h], values[:, h])
            attended = attended + out @ x["WO"][:, h, g].T
    y = x["X"] + attended
    again = _rms_norm(y, x["G2"], n["eps"])
    gate = again @ x["WG"].T
    hidden = gate / (1.0 + np.exp(-gate)) * (again @ x["WU"].T)
    return y + hidden @ x["WD"].T, new_keys, new_values


def _encoder_attention(tokens: Array, weights: Mapping[str, Array]) -> Array:
    """Multi-head self-attention of one sequence [p,d], head by head."""
    total = np.zeros_like(tokens)
    for h in range(weights["WQ"].shape[0]):
        s = (tokens @ weights["WK"][h].T) @ (tokens @ weights["WQ"][h].T).T
        values = (tokens @ weights["WV"][h].T).T
        total = total + softmax_values(s, np.ones_like(s, dtype=np.bool_), values).T @ weights["WO"][:, h].T
    return total


def _causal_at_end(queries: Array, keys: Array, values: Array) -> Array:
    """Queries [b,p,e] are the last tokens of keys [b,e,m]: query p sees the keys up to m = p + M - P."""
    s = np.einsum("bpe,bem->bmp", queries, keys)
    key, query = np.indices(s.shape[1:])
    mask = np.asarray(key - s.shape[1] <= query - s.shape[2])
    return softmax_values(s, mask, values).swapaxes(-1, -2)


def _layer_norm(x: Array, gain: Array, bias: Array, eps: float) -> Array:
    return np.asarray((x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * gain + bias)


def _rms_norm(x: Array, gain: Array, eps: float) -> Array:
    return np.asarray(x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * gain)


def _gelu(x: Array) -> Array:
    """Hendrycks and Gimpel 2016, the tanh form."""
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * np.power(x, 3))
    return np.asarray(x * (1.0 + np.tanh(inner)) / 2.0)
