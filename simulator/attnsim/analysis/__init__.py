"""What a cascade needs whatever it runs on: operations, passes, live footprints, traffic and arithmetic intensity."""

from __future__ import annotations

from attnsim.analysis.analyse import CascadeAnalysis, analyse, to_dict, traffic_curve
from attnsim.analysis.describe import describe
from attnsim.analysis.passes import Passes, count_passes
from attnsim.analysis.traffic import traffic_bytes

__all__ = [
    "CascadeAnalysis",
    "Passes",
    "analyse",
    "count_passes",
    "describe",
    "to_dict",
    "traffic_bytes",
    "traffic_curve",
]
