"""Link specs: what `hwspecs/links/<name>.yaml` may say: how devices send to one another, and what libraries make of it.

A link is a path of each device into a switch, a host or a network. A library has methods (a ring with one protocol,
an exchange in one shot ...), each with few constants that hold for all messages and all numbers of devices.
`attnsim.components.collectives` says what a method costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, PositiveInt

from attnsim.errors import Problem, SpecError, UnknownNameError
from attnsim.specs.library import find, unknown_name
from attnsim.specs.load import load_spec
from attnsim.specs.overrides import Override
from attnsim.specs.quantity import Bytes, BytesPerSecond, Second
from attnsim.specs.spec import FileSpec, Fraction, Source, Spec, Text, problem_at

MethodKind = Literal["ring", "one_shot", "two_shot", "switch", "exchange"]
"""How data go: around a ring; all to all at once and added up there; scattered, added up and gathered; added up in the
switch; a part to each other device."""


class Beyond(Spec):
    """A slower path: what a device reaches when more than so many devices take part, as over a bridge of the host."""

    devices: PositiveInt
    bandwidth_bytes_per_s: BytesPerSecond = Field(alias="bandwidth")
    source: Source


class Method(Spec):
    """One way to do a collective: `launch` + steps x `step` + bytes on the wire / (`efficiency` x bandwidth) + bytes of
    the message / `copy`.

    launch: of the kernel, until the first byte leaves and after the last has come. step: until the next device, or
    each other one, can go on. efficiency: share of the bandwidth that carries the message; flags, headers and idle
    channels take the rest. copy: at which the message goes through the memory of a device while its link waits.
    least_devices, most_devices, most_bytes: where the method is used at all. floating: it adds up only floating-point
    numbers.
    """

    name: Text
    kind: MethodKind
    launch_s: Second = Field(alias="launch")
    step_s: Second = Field(alias="step")
    efficiency: Fraction = Field(gt=0.0)
    copy_bytes_per_s: BytesPerSecond | None = Field(alias="copy", default=None)
    least_devices: PositiveInt = 2
    most_devices: PositiveInt | None = None
    most_bytes: Bytes | None = None
    floating: bool = False


class Library(Spec):
    """What a library of collectives can do on a link. falls_back: to the methods of this other one as well.

    A library without methods is the one that it falls back to.
    """

    methods: list[Method] = Field(default_factory=list)
    falls_back: Text | None = None
    source: Source
    notes: str = ""


class Link(FileSpec):
    """What joins the devices of a group, seen from one device.

    bandwidth: of a device into the link, one direction, at its peak. beyond: slower paths of larger groups, by number
    of devices. default_library: the one that is meant when none is named. libraries: the times of a link are those of
    the software that drives it.
    """

    name: Text
    title: str = ""
    source: Source = Field(examples=["data sheet, year, table"], description="where the numbers come from")
    notes: str = ""
    bandwidth_bytes_per_s: BytesPerSecond = Field(alias="bandwidth")
    beyond: list[Beyond] = Field(default_factory=list)
    default_library: Text
    libraries: dict[str, Library] = Field(min_length=1)


def load_link(name: str, overrides: Sequence[Override] = ()) -> Link:
    """Read a link by name or path, after `overrides`; raises SpecError or UnknownNameError."""
    return load_spec(find("link", name), Link, overrides, check=link_problems)


def library_methods(link: Link, library: str | None = None) -> tuple[Method, ...]:
    """Methods that a library (the default one if None) chooses from on a link, its own first.

    Raises UnknownNameError for a library that the link does not describe.
    """
    wanted = library or link.default_library
    if wanted not in link.libraries:
        raise UnknownNameError(unknown_name(f"library of {link.name}", wanted, tuple(link.libraries)))
    chosen = link.libraries[wanted]
    fallback = link.libraries[chosen.falls_back].methods if chosen.falls_back else []
    return (*chosen.methods, *fallback)


def path_bytes_per_s(link: Link, devices: int) -> float:
    """Bytes per second, one direction, of a device in a group of so many."""
    slower = [path.bandwidth_bytes_per_s for path in link.beyond if devices > path.devices]
    return min([link.bandwidth_bytes_per_s, *slower])


def link_problems(link: Link) -> list[Problem]:
    """Contradictions inside a link: libraries that are not there, slower paths that are not slower."""
    known = tuple(link.libraries)
    named = [("default_library", link.default_library)]
    named += [
        (f"libraries.{name}.falls_back", own.falls_back) for name, own in link.libraries.items() if own.falls_back
    ]
    missing = [
        problem_at(link, place, f"there is no library {name!r}", f"known: {', '.join(known)}")
        for place, name in named
        if name not in known
    ]
    chained = [
        problem_at(link, f"libraries.{name}.falls_back", f"{own.falls_back} falls back itself", "name the last one")
        for name, own in link.libraries.items()
        if own.falls_back in known and link.libraries[own.falls_back].falls_back
    ]
    faster = [
        problem_at(link, f"beyond.{at}", "this path is not slower than those before it", "lower its bandwidth")
        for at, path in enumerate(link.beyond)
        if path.bandwidth_bytes_per_s >= path_bytes_per_s(link, path.devices)
    ]
    empty = [
        problem_at(link, f"libraries.{name}", "this library has no methods", "add `methods:` or `falls_back:`")
        for name, own in link.libraries.items()
        if not own.methods and own.falls_back is None
    ]
    return [*missing, *chained, *empty, *faster]


def require_link(name: str, owner: FileSpec) -> Link:
    """The link that `owner` names in its field `link`; raises SpecError at that line if there is none."""
    try:
        return load_link(name)
    except UnknownNameError as error:
        raise SpecError(*(problem_at(owner, "link", p.what, p.remedy) for p in error.problems)) from None
