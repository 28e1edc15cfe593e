"""One server: continuous batching with paged keys and values, an iteration at a time.

Requests wait in order of arrival. An iteration lets in those whose pages are free, gives each decoding request a token,
and works on prompts as the system says. All that decode advance together, so that who needs a page, or ends, follows
from the number of the iteration. Times are whole picoseconds.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from attnsim.serving.balance import Balance
from attnsim.serving.costs import Costs
from attnsim.serving.memory import Memory
from attnsim.serving.records import History, Load, Records
from attnsim.specs.system import System

WATERMARK = 100
"""One in so many pages stays free when a request is let in beside others, so that they do not take each other's."""
_ENDLESS = 1 << 60


def _nobody(_request: int, _at_ps: int) -> None:
    """Told of the end of a request."""


@dataclass(slots=True, kw_only=True)
class _Running:
    """A decoding request: tokens whose keys and values are kept as its stay began, at decoding iteration `since`, and
    the iteration after which it ends."""

    length: int
    since: int
    until: int


class Server:
    """Serves requests of `load`, by number, as they are put in with `put`; `done` is called at the end of each."""

    def __init__(self, number: int, system: System, memory: Memory, costs: Costs, load: Load, records: Records) -> None:
        self.number, self.clock_ps = number, 0
        self.history = History()
        self.done: Callable[[int, int], None] = _nobody
        self.free = memory.pages
        self.outstanding = self._just_ended = 0
        self._costs, self._memory, self._load, self._records = costs, memory, load, records
        self._page = memory.page
        self._mode, self._budget = system.prefill.mode, system.prefill.tokens
        self._here = self._mode in ("chunked", "whole")
        self._whole_life = system.kv.admission == "whole"
        self._swap_ps = memory.swap_ps_per_token if system.kv.preemption == "swap" else 0.0
        self._most = system.schedule.max_batch or _ENDLESS
        self._balance = Balance(memory.parts) if memory.parts > 1 else None
        self._waiting: deque[int] = deque()
        self._kept: dict[int, int] = {}
        self._prefilling: deque[list[int]] = deque()
        self._running: dict[int, _Running] = {}
        self._fresh: list[int] = []
        self._stopped: dict[int, int] = {}
        self._resumed: list[int] = []
        self._tokens = 0
        self._iteration = 0
        self._decoded_ps = 0
        self._due = [0] * memory.page
        self._ending: list[tuple[int, int]] = []

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self._waiting or self._prefilling or self._running)

    @property
    def in_flight(self) -> int:
        """Requests that hold pages."""
        return len(self._running) + len(self._prefilling)

    def outstanding_at(self, at_ps: int) -> int:
        """Tokens of the requests that have not ended by a moment that is not before the last iteration began."""
        return self.outstanding + (self._just_ended if at_ps < self.clock_ps else 0)

    def put(self, request: int) -> None:
        """Take a request, which has arrived by now; one that can never fit is rejected."""
        self._records.server[request] = self.number
        total = self._load.prompt[request] + self._load.generated[request]
        if self._memory.pages_for(total) > self._memory.pages:
            self._records.rejected.append(request)
            self.done(request, max(self.clock_ps, self._load.ready_ps[request]))
            return
        if self._mode == "separate" and self._load.generated[request] == 1:
            self._answered(request)
            return
        self.outstanding += total
        self._waiting.append(request)

    def _answered(self, request: int) -> None:
        """The first token, which a separate prefill has made, is all of the answer."""
        records = self._records
        records.admitted_ps[request] = records.done_ps[request] = records.first_ps[request]
        self.done(request, records.first_ps[request])

    def step(self) -> None:
        """One iteration; there has to be something to do."""
        self._just_ended = 0
        moved = self._admit()
        decodes = not (self._mode == "whole" and self._prefilling)
        moved += self._make_room() if decodes else 0
        decode = len(self._running) if decodes else 0
        prefill, seen, ended = self._take_prompts(decode)
        tokens = self._balance.heaviest() if self._balance else self._tokens
        period_ps = self._costs.period_ps(decode, tokens + decode if decode else 0, prefill, seen)
        period_ps += round(moved * self._swap_ps)
        self.clock_ps += period_ps
        self.history.add(self.clock_ps, period_ps, decode, prefill, len(self._fresh) + len(self._resumed))
        if decode:
            self._advance(decode)
        for request, length in ended:
            self._prompt_ended(request, length)
        self.history.pages.append(self._memory.pages - self.free)

    def _admit(self) -> int:
        """Let requests in, in their order, while there are pages; gives the tokens that come back from the host."""
        waiting, moved = self._waiting, 0
        while waiting and self.in_flight < self._most:
            request = waiting[0]
            length = self._kept.get(request, self._load.prompt[request])
            held = self._held_by(request, length)
            if held + self._needed_soon(length) > self.free:
                break
            waiting.popleft()
            self.free -= held
            moved += self._enter(request, length)
        return moved

    def _held_by(self, request: int, length: int) -> int:
        """Pages that a request of this length holds."""
        if self._whole_life:
            return self._memory.pages_for(self._load.prompt[request] + self._load.generated[request])
        return self._memory.pages_for(length)

    def _needed_soon(self, length: int) -> int:
        """Pages that have to stay free for the next tokens of those that decode, and of one of this length."""
        if self._whole_life:
            return 0
        spare = self._memory.pages // WATERMARK if self.in_flight else 0
        return self._due[self._iteration % self._page] + (length % self._page == 0) + spare

    def _enter(self, request: int, length: int) -> int:
        """Begin with a request that has its pages; gives its tokens if they come back from the host."""
        if self._records.admitted_ps[request] < 0:
            self._records.admitted_ps[request] = max(self.clock_ps, self._load.ready_ps[request])
        again = self._kept.pop(request, None) is not None
        swapped = again and self._swap_ps > 0
        if self._here and not swapped:
            self._prefilling.append([request, 0, length])
            return 0
        self._decode(request, length)
        return length if swapped else 0

    def _decode(self, request: int, length: int) -> None:
        """Begin to decode with so many tokens kept."""
        if self._records.first_iteration[request] < 0:
            self._fresh.append(request)
        else:
            self._resumed.append(request)
        until = self._iteration + self._goal(request) - length
        self._running[request] = _Running(length=length, since=self._iteration, until=until)
        self._tokens += length
        self._due[(self._iteration - length) % self._page] += 0 if self._whole_life else 1
        heapq.heappush(self._ending, (until, request))
        if self._balance:
            self._balance.add(request, length)

    def _goal(self, request: int) -> int:
        """Tokens kept when a request has all its answer; where the prompt gives a token, the last is not kept."""
        total = self._load.prompt[request] + self._load.generated[request]
        return total if self._mode == "removed" else total - 1

    def _make_room(self) -> int:
        """Take the pages that decoding needs in this iteration, from the youngest requests if none are free; gives
        the tokens that go to the host."""
        if self._whole_life:
            return 0
        moved, place = 0, self._iteration % self._page
        while self._due[place] > self.free:
            moved += self._preempt()
        self.free -= self._due[place]
        return moved

    def _preempt(self) -> int:
        """Send the youngest decoding request back to the head of the queue; gives its tokens if they are swapped."""
        request, running = self._running.popitem()
        length = self._leave(request, running)
        self.free += self._memory.pages_for(length)
        self._records.preempted[request] += 1
        self._kept[request] = length
        self._waiting.appendleft(request)
        if request in self._fresh:
            self._fresh.remove(request)
            if not self._here:
                del self._kept[request]
        elif request in self._resumed:
            self._resumed.remove(request)
        else:
            self._stopped[request] = self._decoded_ps
        return length if self._swap_ps else 0

    def _leave(self, request: int, running: _Running) -> int:
        """Take a request off the sums over all that decode; gives the tokens that it keeps."""
        length = running.length + self._iteration - running.since
        self._tokens -= length
        self._due[(running.since - running.length) % self._page] -= 0 if self._whole_life else 1
        if self._balance:
            self._balance.remove(request, length)
        return length

    def _take_prompts(self, decode: int) -> tuple[int, int, list[tuple[int, int]]]:
        """(tokens, keys that they see together, (request, length) of prompts that end) of this iteration."""
        budget = self._budget if self._mode == "whole" else max(self._budget - decode, 1)
        taken, seen = 0, 0
        ended: list[tuple[int, int]] = []
        while self._prefilling and taken < budget:
            request, begun, length = self._prefilling[0]
            part = length - begun
            if self._mode == "whole" and taken and taken + part > budget:
                break
            part = part if self._mode == "whole" else min(part, budget - taken)
            taken += part
            seen += part * begun + part * (part + 1) // 2
            self._prefilling[0][1] += part
            if begun + part == length:
                self._prefilling.popleft()
                ended.append((request, length))
        return taken, seen, ended

    def _prompt_ended(self, request: int, length: int) -> None:
        """The last token of a prompt has given the first one of the answer, unless it was computed again."""
        if self._records.first_ps[request] < 0:
            self._records.first_ps[request] = self.clock_ps
        if length >= self._goal(request):
            self._end(request, length)
        else:
            self._decode(request, length)

    def _advance(self, decode: int) -> None:
        """Every decoding request has a token more."""
        self._iteration += 1
        self._decoded_ps = self.clock_ps
        self._tokens += decode
        if self._balance:
            self._balance.advance()
        for request in self._fresh:
            self._records.first_iteration[request] = len(self.history.end_ps) - 1
            if self._records.first_ps[request] < 0:
                self._records.first_ps[request] = self.clock_ps
        self._fresh.clear()
        for request in self._resumed:
            self._records.stalls.append((request, self.clock_ps - self._stopped.pop(request)))
        self._resumed.clear()
        ending = self._ending
        while ending and ending[0][0] <= self._iteration:
            until, request = heapq.heappop(ending)
            running = self._running.get(request)
            if running is not None and running.until == until:
                del self._running[request]
                self._end(request, self._leave(request, running))

    def _end(self, request: int, length: int) -> None:
        """All of an answer is there."""
        self.free += self._held_by(request, length)
        total = self._load.prompt[request] + self._load.generated[request]
        self.outstanding -= total
        self._just_ended += total
        self._records.done_ps[request] = self.clock_ps
        self._records.last_iteration[request] = len(self.history.end_ps) - 1
        self.done(request, self.clock_ps)
