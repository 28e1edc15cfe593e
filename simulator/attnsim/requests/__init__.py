"""Requests of different lengths, read from a file or drawn from a trace spec: decode batches, and arrivals in time.

`load_requests` makes a batch, `load_arrivals` requests with arrival times; both take a name or a path. Each name is
imported on first use, since most runs need no trace.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attnsim.requests.arrival_trace import ArrivalTrace
    from attnsim.requests.arrivals import is_arrival_file, load_arrivals
    from attnsim.requests.batch import is_trace_file, load_requests
    from attnsim.requests.request import DecodeRequest, largest_keys, mean_keys

__all__ = [
    "ArrivalTrace",
    "DecodeRequest",
    "is_arrival_file",
    "is_trace_file",
    "largest_keys",
    "load_arrivals",
    "load_requests",
    "mean_keys",
]

_HOME = {
    "ArrivalTrace": "arrival_trace",
    "DecodeRequest": "request",
    "is_arrival_file": "arrivals",
    "is_trace_file": "batch",
    "largest_keys": "request",
    "load_arrivals": "arrivals",
    "load_requests": "batch",
    "mean_keys": "request",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'attnsim.requests' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"attnsim.requests.{_HOME[name]}"), name)
