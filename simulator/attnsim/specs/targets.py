"""Which file an override is meant for: all overrides of a command line -> those of one kind of file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache

from attnsim.errors import Problem, SpecError
from attnsim.specs.explain import known_keys
from attnsim.specs.library import suggest
from attnsim.specs.overrides import Override
from attnsim.specs.schema import spec_types


def for_target(overrides: Sequence[Override], target: str, targets: Sequence[str]) -> tuple[Override, ...]:
    """The overrides meant for one kind of file out of `targets` (hardware, mapping, model, cascade).

    A path that begins with a kind is meant for that kind, without this first step. Any other path is meant for the
    first kind that has its first step as a key, so `clock=1 GHz` is the hardware's. Raises SpecError for those that no
    kind knows.
    """
    if not overrides:
        return ()
    keys = {kind: _top_keys(kind) for kind in dict.fromkeys((*targets, target))}
    strangers = [o for o in overrides if not _claims(o, keys)]
    if strangers:
        known = tuple(dict.fromkeys(key for group in keys.values() for key in group))
        raise SpecError(
            *(
                Problem(
                    file=f"--set {o.text}", what=f"nothing is called {o.path[0]!r}", remedy=suggest(o.path[0], known)
                )
                for o in strangers
            )
        )
    mine = [o for o in overrides if _claims(o, keys)[0] == target]
    return tuple(dataclasses.replace(o, path=o.path[1:]) if _is_prefixed(o, keys) else o for o in mine)


def _claims(override: Override, keys: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Kinds of file that an override may be meant for, the likeliest first."""
    head = override.path[0]
    return [head] if _is_prefixed(override, keys) else [kind for kind, known in keys.items() if head in known]


def _is_prefixed(override: Override, keys: Mapping[str, tuple[str, ...]]) -> bool:
    return override.path[0] in keys and len(override.path) > 1


@cache
def _top_keys(kind: str) -> tuple[str, ...]:
    """Keys at the top of a kind of file."""
    return tuple(dict.fromkeys(key for spec in spec_types(kind) for key in known_keys(spec, ())))
