"""Remembering what was made of objects that never change: keys by identity, and a bounded memory of results."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
MOST_REMEMBERED = 32_768


class Same(Generic[T]):
    """An object as part of a key: equal only to itself, whatever it holds; the key keeps it alive."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __hash__(self) -> int:
        """That of the object's identity."""
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        """Whether it is the same object."""
        return isinstance(other, Same) and other.value is self.value


def recalled(memory: dict[Hashable, T], key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gave for an equal key before, or gives now; a full memory is emptied first."""
    found = memory.get(key)
    if found is None:
        if len(memory) >= MOST_REMEMBERED:
            memory.clear()
        found = memory[key] = make()
    return found
