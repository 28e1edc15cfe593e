"""Does a cascade make sense? Every problem that can be seen without extents, all at once."""

from __future__ import annotations

from attnsim.einsum.ast import Cascade
from attnsim.einsum.source import Complaints


def check_cascade(cascade: Cascade, complaints: Complaints, unread: frozenset[str] = frozenset()) -> None:
    """Note every problem of a cascade; `unread` are tensors whose defining line does not parse."""
