"""Does a cascade make sense? Every problem that can be seen without extents, noted in one go.

Three questions, one file each: are the declarations sound (`check_declarations`), does each line fit them
(`check_einsums`), and can the whole be put in order (`check_order`)?
"""

from __future__ import annotations

from attnsim.einsum.ast import Cascade
from attnsim.einsum.check_declarations import check_declarations, check_uses
from attnsim.einsum.check_einsums import check_einsums
from attnsim.einsum.check_order import check_order
from attnsim.einsum.source import Complaints


def check_cascade(cascade: Cascade, complaints: Complaints, unread: frozenset[str] = frozenset()) -> None:
    """Note every problem of a cascade; `unread` are tensors whose defining line does not parse."""
    check_declarations(cascade, complaints, unread)
    check_einsums(cascade, complaints, unread)
    if not complaints.problems:
        check_uses(cascade, complaints)
        check_order(cascade, complaints)
