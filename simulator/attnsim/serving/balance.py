"""Requests on devices that each hold whole requests: the fullest device is what an iteration waits for."""

from __future__ import annotations


class Balance:
    """Tokens on each of `parts` devices; a request goes where the fewest are."""

    def __init__(self, parts: int) -> None:
        self._tokens = [0] * parts
        self._requests = [0] * parts
        self._place: dict[int, int] = {}

    def add(self, request: int, length: int) -> None:
        """A request with so many tokens begins to decode."""
        place = self._tokens.index(min(self._tokens))
        self._place[request] = place
        self._tokens[place] += length
        self._requests[place] += 1

    def remove(self, request: int, length: int) -> None:
        """A request leaves with so many tokens."""
        place = self._place.pop(request)
        self._tokens[place] -= length
        self._requests[place] -= 1

    def advance(self) -> None:
        """Every request has a token more."""
        for place, count in enumerate(self._requests):
            self._tokens[place] += count

    def heaviest(self) -> int:
        """Tokens that all devices would hold if each were as full as the fullest one."""
        return max(self._tokens) * len(self._tokens)
