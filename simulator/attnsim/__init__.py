"""attnsim: how long an attention algorithm takes on a hardware, what is busy, and what it costs.

The names below are the public interface. Each is imported on first use, so that `import attnsim` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attnsim.errors import AttnSimError, Problem
    from attnsim.mapping.infeasible import Infeasible
    from attnsim.metrics import Metrics
    from attnsim.pipeline import Request, Run, simulate
    from attnsim.specs.cascade import load_cascade
    from attnsim.specs.hardware import load_hardware
    from attnsim.specs.mapping import load_mapping
    from attnsim.specs.model import load_model

__version__ = "0.1.0"

__all__ = [
    "AttnSimError",
    "Infeasible",
    "Metrics",
    "Problem",
    "Request",
    "Run",
    "load_cascade",
    "load_hardware",
    "load_mapping",
    "load_model",
    "simulate",
]

_HOME = {
    "AttnSimError": "attnsim.errors",
    "Infeasible": "attnsim.mapping.infeasible",
    "Metrics": "attnsim.metrics",
    "Problem": "attnsim.errors",
    "Request": "attnsim.pipeline",
    "Run": "attnsim.pipeline",
    "load_cascade": "attnsim.specs.cascade",
    "load_hardware": "attnsim.specs.hardware",
    "load_mapping": "attnsim.specs.mapping",
    "load_model": "attnsim.specs.model",
    "simulate": "attnsim.pipeline",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'attnsim' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
