"""Datasheet peaks of the measured GPUs: what the rules that drop rows and the anchors call possible.

They are kept apart from `hwspecs/` on purpose: a better description of a GPU there must change neither which rows are
judged nor what the anchors answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Datasheet:
    """What a GPU can do at most: dense matrix FLOP/s by data type, DRAM bytes/s, bytes of L2."""

    flop_per_s: Mapping[str, float]
    dram_bytes_per_s: float
    l2_bytes: int


def _datasheet(bf16: float, fp8: float, dram_bytes_per_s: float, l2_mib: int) -> Datasheet:
    flop_per_s = {"bf16": bf16, "fp16": bf16} | ({"fp8": fp8, "fp8_block": fp8} if fp8 else {})
    peaks = MappingProxyType(flop_per_s)
    return Datasheet(flop_per_s=peaks, dram_bytes_per_s=dram_bytes_per_s, l2_bytes=l2_mib * _MIB)


DATASHEETS: Mapping[str, Datasheet] = MappingProxyType(
    {
        # NVIDIA A100 80GB datasheet (SXM): 312 TFLOPS BF16, 2,039 GB/s; A100 whitepaper: 40 MB of L2.
        "a100_sxm": _datasheet(312e12, 0, 2.039e12, 40),
        # NVIDIA H100 datasheet (SXM): 1,979 TFLOPS BF16 and 3,958 FP8 with sparsity, 3.35 TB/s; whitepaper: 50 MB.
        "h100_sxm": _datasheet(989.5e12, 1979e12, 3.35e12, 50),
        # NVIDIA H200 datasheet (SXM): as H100, 4.8 TB/s.
        "h200_sxm": _datasheet(989.5e12, 1979e12, 4.8e12, 50),
        # NVIDIA DGX B200 datasheet, of 8 GPUs: 72 PFLOPS FP8 with sparsity, 64 TB/s; BF16 at half the rate of FP8;
        # cudaDeviceProp.l2CacheSize: 126 MiB.
        "b200_sxm": _datasheet(2250e12, 4500e12, 8.0e12, 126),
        # NVIDIA L40S datasheet: 362.05 TFLOPS BF16 and 733 FP8 dense, 864 GB/s; Ada whitepaper: 96 MB.
        "l40s": _datasheet(362.05e12, 733e12, 0.864e12, 96),
        # NVIDIA RTX PRO 6000 Blackwell Server Edition datasheet: 1,597 GB/s; RTX Blackwell PRO whitepaper: 188 SMs,
        # 128 MB, 1,024 BF16 FLOP a cycle and SM, twice that in FP8; 2,430 MHz.
        "rtx_pro_6000_server": _datasheet(188 * 1024 * 2.43e9, 188 * 2048 * 2.43e9, 1.597e12, 128),
    }
)


def peak(name: str) -> pl.Expr:
    """`dram_bytes_per_s` or `l2_bytes` of each row's GPU; null for a GPU without a datasheet here."""
    values = {gpu: float(getattr(sheet, name)) for gpu, sheet in DATASHEETS.items()}
    return pl.col("gpu").replace_strict(values, default=None, return_dtype=pl.Float64)


def peak_flop_per_s(dtype: str) -> pl.Expr:
    """Dense matrix FLOP/s of each row's GPU in the data type that column `dtype` names; null where unknown."""
    rates = {f"{gpu} {name}": rate for gpu, sheet in DATASHEETS.items() for name, rate in sheet.flop_per_s.items()}
    key = pl.concat_str("gpu", dtype, separator=" ")
    return key.replace_strict(rates, default=None, return_dtype=pl.Float64)
