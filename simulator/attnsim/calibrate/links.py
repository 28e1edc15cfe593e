"""Constants of links: the methods of each library, fitted to timings of collectives, and the link that has them.

Link with a plan x timings -> Link. Least squares on the logarithm of predicted over measured time, with a loss that
grows linearly beyond 10 %, so that a library's odd choices at single sizes do not bend the rest. Constants stay within
`_BOUNDS`; several starts, drawn from one seed, guard against the corners that a choice between methods has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import least_squares

from attnsim.components.collectives import Operation, fastest_seconds, serves
from attnsim.specs.link import Library, Link, Method, MethodKind

Floats = NDArray[np.float64]

GPUS_OF: Mapping[str, tuple[str, ...]] = {
    "nvlink3": ("a100_sxm",),
    "nvlink4": ("h100_sxm", "h200_sxm"),
    "nvlink5": ("b200_sxm",),
    "pcie4": ("l40s",),
    "pcie5": ("rtx_pro_6000_server",),
}
"""GPUs whose timings the constants of a link are fitted to."""
LIBRARIES = ("nccl", "trtllm", "vllm", "sglang")
"""Libraries in the order in which they are fitted: the first is what the others fall back to."""

_BOUNDS = {"launch_s": (0.3e-6, 200e-6), "step_s": (1e-8, 20e-6), "efficiency": (1e-3, 1.0), "copy": (20e9, 2e13)}
_BEYOND = (0.01, 0.98)
"""Bandwidth of a slower path, as a share of that of the path before."""
STARTS = 16
_SPREAD = 0.7
_LINEAR_FROM = 0.1
_AMONG = 7
"""Steps of a ring through the eight devices of a server."""
_DIGITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A method to fit: where its constants start. copies: it has a copy rate as well."""

    name: str
    kind: MethodKind
    launch_s: float
    step_s: float
    efficiency: float
    copies: bool = False
    floating: bool = False
    least_devices: int = 2
    most_devices: int | None = None


_RINGS = (
    Planned(name="ring", kind="ring", launch_s=6e-6, step_s=0.8e-6, efficiency=0.2),
    Planned(name="ring", kind="ring", launch_s=10e-6, step_s=1.5e-6, efficiency=0.6, copies=True),
    Planned(name="ring", kind="ring", launch_s=20e-6, step_s=2e-6, efficiency=0.9, copies=True),
)
_EXCHANGES = (
    Planned(name="exchange", kind="exchange", launch_s=6e-6, step_s=0.2e-6, efficiency=0.03),
    Planned(name="exchange", kind="exchange", launch_s=14e-6, step_s=0.2e-6, efficiency=0.9, copies=True),
)
_SWITCH = Planned(
    name="switch", kind="switch", launch_s=20e-6, step_s=1e-6, efficiency=0.7, floating=True, least_devices=4
)
_SHOTS = (
    Planned(name="one shot", kind="one_shot", launch_s=3e-6, step_s=0.2e-6, efficiency=0.6),
    Planned(name="two shots", kind="two_shot", launch_s=5e-6, step_s=0.3e-6, efficiency=0.6),
)
_SUMS_IN_SWITCH = ("nvlink4", "nvlink5")
"""Links whose switches add up (NVLink SHARP, from NVSwitch 3 on)."""
_THROUGH_HOST = ("pcie4", "pcie5")
"""Links on which the libraries leave groups of more than two to NCCL, and copies hide behind the wire."""


def plan(link: Link, library: str) -> tuple[Planned, ...]:
    """The methods of a library on a link, before they are fitted."""
    if link.name in _THROUGH_HOST:
        rings = tuple(replace(one, copies=False) for one in (*_RINGS, *_EXCHANGES))
        return rings if library == LIBRARIES[0] else (replace(_SHOTS[0], most_devices=2),)
    switch = (_SWITCH,) if link.name in _SUMS_IN_SWITCH else ()
    return (*_RINGS, *switch, *_EXCHANGES) if library == LIBRARIES[0] else (*_SHOTS, *switch)


def fit_link(link: Link, rows: pl.DataFrame, *, starts: int = STARTS) -> Link:
    """The link with the constants that fit `rows` best; these are rows of `COLUMNS` that may be fitted on.

    The first library fits the slower paths too, if the link has any, and the others fall back to it. starts: of each
    fit, of which the best counts.
    """
    libraries: dict[str, Library] = {}
    for name in LIBRARIES:
        own = rows.filter(pl.col("library") == name)
        base = libraries[LIBRARIES[0]].methods if libraries else []
        link, methods = _fit(link, plan(link, name), own, base, starts, paths=not base and bool(link.beyond))
        falls_back = LIBRARIES[0] if base else None
        libraries[name] = Library.model_construct(methods=methods, falls_back=falls_back, source="fitted", notes="")
    return link.model_copy(update={"libraries": libraries})


def row_seconds(link: Link, methods: Sequence[Method], rows: pl.DataFrame) -> Floats:
    """Seconds of the fastest of some methods for each row, alone on the link; infinite without one; shape (rows,)."""
    seconds = np.full(rows.height, np.nan)
    operations = rows["operation"].to_numpy()
    for operation in rows["operation"].unique(maintain_order=True):
        at = np.flatnonzero(operations == operation)
        part = rows[at]
        seconds[at] = _seconds(link, methods, operation, part)
    return seconds


def _seconds(link: Link, methods: Sequence[Method], operation: Operation, part: pl.DataFrame) -> Floats:
    columns = (part[name].to_numpy() for name in ("message_bytes", "devices", "floating"))
    return fastest_seconds(link, [method for method in methods if serves(method.kind, operation)], operation, *columns)


def _fit(
    link: Link, planned: Sequence[Planned], rows: pl.DataFrame, base: Sequence[Method], starts: int, *, paths: bool
) -> tuple[Link, list[Method]]:
    measured = rows["latency_ms"].to_numpy() / 1e3
    names = [(one, field) for one in planned for field in _fields(one)]
    bounds = [_BOUNDS[field] for _, field in names] + [_BEYOND] * (len(link.beyond) if paths else 0)
    low, high = np.log(bounds).T
    start = np.log([_start(link, one, field) for one, field in names] + [0.3] * (len(bounds) - len(names)))

    def made(logs: Floats) -> tuple[Link, list[Method]]:
        values = [_rounded(value) for value in np.exp(logs)]
        used = _with_paths(link, values[len(names) :]) if paths else link
        return used, _methods(planned, values)

    def errors(logs: Floats) -> Floats:
        values = np.exp(logs).tolist()
        used = _with_paths(link, values[len(names) :]) if paths else link
        return np.log(row_seconds(used, [*_methods(planned, values), *base], rows) / measured)

    random = np.random.default_rng(0)
    tried = [start, *(start + random.normal(0, _SPREAD, len(start)) for _ in range(starts - 1))]
    fits = [
        least_squares(
            errors, np.clip(x, low + 1e-6, high - 1e-6), bounds=(low, high), loss="soft_l1", f_scale=_LINEAR_FROM
        )
        for x in tried
    ]
    used, methods = made(min(fits, key=lambda fit: float(fit.cost)).x)
    return used, _named([method for method in methods if _is_used(used, method, [*methods, *base], rows)])


def _is_used(link: Link, method: Method, methods: Sequence[Method], rows: pl.DataFrame) -> bool:
    """Whether a method is the fastest for any row."""
    others = [other for other in methods if other is not method]
    apart = row_seconds(link, others, rows) != row_seconds(link, methods, rows)
    return bool(apart.any())


def _named(methods: Sequence[Method]) -> list[Method]:
    """Methods of one kind named by what they are for: the sooner they start, the smaller the messages."""
    made: list[Method] = []
    for kind in dict.fromkeys(method.kind for method in methods):
        alike = sorted((m for m in methods if m.kind == kind), key=lambda m: m.launch_s + _AMONG * m.step_s)
        tails = {1: ("",), 2: (", small", ", large"), 3: (", small", ", medium", ", large")}[len(alike)]
        made += [m.model_copy(update={"name": m.name + tail}) for m, tail in zip(alike, tails, strict=True)]
    return made


def _fields(one: Planned) -> tuple[str, ...]:
    return ("launch_s", "step_s", "efficiency", *(("copy",) if one.copies else ()))


def _start(link: Link, one: Planned, field: str) -> float:
    starts = {"launch_s": one.launch_s, "step_s": one.step_s, "efficiency": one.efficiency}
    return starts.get(field, 4 * link.bandwidth_bytes_per_s)


def _methods(planned: Sequence[Planned], values: Sequence[float]) -> list[Method]:
    """Methods with fitted constants, in the order of `_fields` of each."""
    methods, left = [], list(values)
    for one in planned:
        fields = _fields(one)
        own, left = dict(zip(fields, left, strict=False)), left[len(fields) :]
        methods.append(
            Method.model_construct(
                name=one.name,
                kind=one.kind,
                launch_s=own["launch_s"],
                step_s=own["step_s"],
                efficiency=own["efficiency"],
                copy_bytes_per_s=own.get("copy"),
                least_devices=one.least_devices,
                most_devices=one.most_devices,
                most_bytes=None,
                floating=one.floating,
            )
        )
    return methods


def _with_paths(link: Link, shares: Sequence[float]) -> Link:
    """The link with slower paths: each a share of the one before."""
    bandwidths = link.bandwidth_bytes_per_s * np.cumprod(shares)
    beyond = [
        old.model_copy(update={"bandwidth_bytes_per_s": _rounded(new)})
        for old, new in zip(link.beyond, bandwidths.tolist(), strict=True)
    ]
    return link.model_copy(update={"beyond": beyond})


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
