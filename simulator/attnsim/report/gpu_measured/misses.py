"""Where the model misses its targets: kernels by GPU above the mean that is aimed at, and what the bad rows wait for.

Judged rows -> a row for each kernel, GPU and phase above target: its error by length, the sign of its bias, the part
that most of the badly predicted rows are limited by.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from attnsim.measured.scores import score
from attnsim.measured.split import key_length
from attnsim.measured_validation.judge import OURS, answered
from attnsim.measured_validation.targets import TARGETS
from attnsim.report.tables import Row

BAD = 0.2
_SHORT = 256
_AIMS = {target.phase: target.mape for target in TARGETS if target.phase}


def misses(rows: pl.DataFrame) -> list[Row]:
    """Groups above target, the worst first."""
    groups = answered(rows).group_by("kernel_name", "gpu", "phase", maintain_order=True)
    found = [_row(str(name), str(gpu), str(phase), group) for (name, gpu, phase), group in groups]
    above = [row for row in found if float(str(row["mape"])) > _AIMS[str(row["phase"])]]
    return sorted(above, key=lambda row: (-float(str(row["mape"])), str(row["kernel"]), str(row["gpu"])))


def _row(name: str, gpu: str, phase: str, group: pl.DataFrame) -> Row:
    """One group; a share of bad rows of a part is out of all bad rows."""
    ratio = (group[OURS] / group["latency_ms"]).to_numpy()
    short = group.select(key_length() < _SHORT).to_series().to_numpy()
    bad = np.abs(ratio - 1) > BAD
    parts = group["bottleneck"].to_numpy()[bad].tolist()
    common = max(sorted(set(parts)), key=parts.count, default="")
    whole = score(group["latency_ms"].to_numpy(), group[OURS].to_numpy())
    return {
        "kernel": name,
        "gpu": gpu,
        "phase": phase,
        "rows": whole.rows,
        "mape": round(whole.mape, 4),
        "short": _mean(np.abs(ratio - 1)[short]),
        "long": _mean(np.abs(ratio - 1)[~short]),
        "bias_log": round(whole.bias_log, 4),
        "bad": round(float(bad.mean()), 4),
        "bad_too_slow": round(float((ratio[bad] > 1).mean()), 4) if bad.any() else None,
        "bad_limit": common,
        "bad_of_limit": round(parts.count(common) / len(parts), 4) if parts else None,
    }


def _mean(errors: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float | None:
    return round(float(errors.mean()), 4) if errors.size else None
