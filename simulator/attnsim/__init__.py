"""attnsim: how long an attention algorithm takes on a hardware, what is busy, and what it costs.

The names below are the public interface. Each is imported on first use, so that `import attnsim` costs nothing.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "AttnSimError": "attnsim.errors",
    "Problem": "attnsim.errors",
}

__all__ = ["AttnSimError", "Problem", "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'attnsim' has no attribute {name!r}; it has {', '.join(sorted(_HOME))}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
