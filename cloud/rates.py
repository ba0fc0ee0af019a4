"""Client-side rate limits: each rate group full but not over, in the order of asking, slower when the cloud says so.

**The window.** The vendor counts calls per account in windows of a second and does not say where they begin, so a
group's last calls are remembered by the time they were really let go, and none goes that would be one too many in
any window. A share that is no whole number (0.95 of 5 calls a second) is rounded up to whole calls and the window is
lengthened by as much (5 calls in 1.053 s): the share is used to the full, and no published window holds more than the
share rounded up, which is never above the published calls. Rounding down would leave 16 % of that rate unused, and a
count over several seconds would break the windows of one second inside.

**Spacing.** Who finds room and nobody waiting goes at once. Whoever had to wait goes one interval after the one
before: a call leaves here at t and arrives at t plus the network's jitter, and with even distances the service's
window then holds at most one or two more than were sent in its length, which is what the headroom is for. Bunches of
a whole share a second apart would let the end of one and the beginning of the next meet in one window.

**Order.** A caller's place among the waiting is its reservation: its time follows from its place, it sleeps until then
and looks again. Late wakers keep their places, one that ends its wait with an exception costs the others one place,
and nobody is woken to find nothing. Repeats go before first tries: they have stood in the queue once, and their call's
deadline runs.

**Throttled answers.** The pace of the group is multiplied by ``_CUT`` and comes back by itself, see :class:`_Pace`.

Rates and groups: :mod:`config.limits`.
"""

from __future__ import annotations

import math
import threading
from array import array
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass

from cloud.clock import Clock
from config.limits import Edition, RateLimit, rate_group, rate_limit

# A throttled answer soon after another: the rate is far too high, so the steps are large.
_CUT = 0.7
# The first one after a quiet time: the edge was just found, and a small step leads back below it.
_CUT_AT_EDGE = 0.9
_SOON_SECONDS = 3.0
# Answers to calls that were under way at the cut are no news: one cut a published window.
_CUT_PAUSE_SECONDS = 1.0
# Slower than a tenth helps nobody; what is refused even then is no matter of the pace.
_PACE_MINIMUM = 0.1
# Full pace again after half a minute without a throttled answer: others' bursts are over by then.
_RECOVERY_SECONDS = 30.0
# A longer pause asked for by the service is an error's or a day's, and a call's own deadline deals with it.
_LONGEST_HOLD_SECONDS = 60.0
# A place may improve while its holder sleeps: another gave up, the pace or the share rose.
_LOOK_AGAIN_SECONDS = 1.0
# Threads wake late; what they are late by is caught up within this time, and beyond it let go, not sent in a bunch.
_CATCH_UP_SECONDS = 0.05
# Usage is kept in at most so many pieces of time: six hours of seconds, then sixty hours of ten seconds, ...
_USAGE_PIECES = 21_600
_USAGE_COARSER = 10

# (1, number) of a first try, (0, number) of a repeat.
_Ticket = tuple[int, int]


@dataclass(frozen=True)
class Usage:
    """One group's calls in one piece of time of ``seconds`` length that begins ``second`` seconds after the start.

    ``allowed`` is how many calls a second this process allowed itself, headroom, share and pace included, at the last
    call of the piece; ``throttled`` counts refused answers, at the time they came.
    """

    group: str
    second: int
    calls: int
    allowed: float
    throttled: int
    seconds: int = 1


class _Pace:
    """Which part of its share a group uses: 1, less after throttled answers.

    The way back is a cubic: level for a third of ``_RECOVERY_SECONDS``, where the pace is close below what the service
    admits, then steep. A straight line would touch the edge again after a few calls, and every touch is refused
    calls.
    """

    def __init__(self) -> None:
        self._base = 1.0
        self._cut_at = -math.inf
        self._throttled_at = -math.inf

    def at(self, now: float) -> float:
        """The part (0 to 1) at a time."""
        quiet = min(1.0, (now - self._throttled_at) / _RECOVERY_SECONDS)
        return self._base + (1.0 - self._base) * quiet**3

    def throttled(self, now: float) -> None:
        """Go slower."""
        if now - self._cut_at >= _CUT_PAUSE_SECONDS:
            soon = now - self._cut_at < _SOON_SECONDS
            self._base = max(_PACE_MINIMUM, self.at(now) * (_CUT if soon else _CUT_AT_EDGE))
            self._cut_at = now
        self._throttled_at = now

    def move(self, seconds: float) -> None:
        """The clock was set back."""
        self._cut_at -= seconds
        self._throttled_at -= seconds


class _Group:
    """The calls of one rate group and who waits for it. Not safe by itself: :class:`RateLimits` holds its lock."""

    def __init__(self, name: str, limit: RateLimit) -> None:
        self.name = name
        self.limit = limit
        self.pace = _Pace()
        self._sent: deque[float] = deque(maxlen=limit.calls)
        self._waiting: list[_Ticket] = []  # ascending
        self._tickets = 0
        self._slot = -math.inf  # when the last call was to go
        self._held = -math.inf  # the service asked for no call before
        self._seen = -math.inf  # the clock, at the last look

    def join(self, *, repeat: bool) -> _Ticket:
        """Take the last place of the first tries or of the repeats; returns the ticket."""
        self._tickets += 1
        ticket = (0 if repeat else 1, self._tickets)
        insort(self._waiting, ticket)
        return ticket

    def leave(self, ticket: _Ticket) -> None:
        """Give the place up; without effect when the call went."""
        place = bisect_left(self._waiting, ticket)
        if self._waiting[place : place + 1] == [ticket]:
            del self._waiting[place]

    def hold(self, until: float) -> None:
        """No call before."""
        self._held = max(self._held, until)

    def try_to_go(self, ticket: _Ticket, now: float, rate: float, *, waited: bool) -> float:
        """Seconds until the ticket's turn; 0 when it is now, and then the call counts as made."""
        place = bisect_left(self._waiting, ticket)
        spaced = waited or len(self._waiting) > 1
        share = rate * self.limit.seconds
        calls = max(1, math.ceil(share - 1e-9))
        window = max(self.limit.seconds, self.limit.seconds * calls / share)
        first = max(self._held, self._leaves(calls, 0) + window)
        if spaced:
            first = max(first, self._slot + 1 / rate)
        # Those ahead that wake late keep their places, and are not waited for.
        due = max(first + place / rate, self._leaves(calls, place) + window)
        if place >= calls:
            due = max(due, now + 1 / rate)  # a whole window's calls come first
        if due > now:
            return due - now
        self._sent.append(now)
        if not spaced:
            self._slot = now
        elif place:
            self._slot = first  # one distance on: those ahead are late and still have theirs
        else:
            self._slot = max(first, now - _CATCH_UP_SECONDS)
        self.leave(ticket)
        return 0.0

    def _leaves(self, calls: int, place: int) -> float:
        """When the call was made that must have left the window before the one at that place goes; -inf: none."""
        position = len(self._sent) + place - calls
        return self._sent[position] if 0 <= position < len(self._sent) else -math.inf

    def follow(self, now: float) -> None:
        """A clock that was set back would stop the group for as long: move what is remembered with it."""
        if now < self._seen:
            back = self._seen - now
            self._sent = deque((made - back for made in self._sent), self._sent.maxlen)
            self._slot -= back
            self._held -= back
            self.pace.move(back)
        self._seen = now


class _UsageBook:
    """Calls and throttled answers of all groups by pieces of time, in bounded memory (12 bytes a piece and group)."""

    def __init__(self) -> None:
        self._seconds = 1
        self._groups: dict[str, tuple[array[int], array[int], array[float]]] = {}

    def add(self, group: str, elapsed: float, *, calls: int = 0, throttled: int = 0, allowed: float) -> None:
        """Count at ``elapsed`` seconds after the start."""
        while (piece := max(0, int(elapsed / self._seconds))) >= _USAGE_PIECES:
            self._coarsen()
        made, refused, rates = self._groups.setdefault(group, (array("I"), array("I"), array("f")))
        if piece >= len(made):
            for column in (made, refused, rates):
                column.frombytes(bytes(column.itemsize * (piece + 1 - len(column))))
        made[piece] += calls
        refused[piece] += throttled
        rates[piece] = allowed

    def _coarsen(self) -> None:
        self._seconds *= _USAGE_COARSER
        for name, (made, refused, rates) in self._groups.items():
            pieces = range(0, len(made), _USAGE_COARSER)
            self._groups[name] = (
                array("I", (sum(made[i : i + _USAGE_COARSER]) for i in pieces)),
                array("I", (sum(refused[i : i + _USAGE_COARSER]) for i in pieces)),
                array(
                    "f", (next(filter(None, reversed(rates[i : i + _USAGE_COARSER])), 0.0) for i in pieces)
                ),
            )

    def told(self) -> tuple[Usage, ...]:
        """By group, then by time; pieces in which nothing was called are left out."""
        return tuple(
            Usage(group, piece * self._seconds, calls, rates[piece], refused[piece], self._seconds)
            for group, (made, refused, rates) in sorted(self._groups.items())
            for piece, calls in enumerate(made)
            if calls or refused[piece]
        )


class RateLimits:
    """One account's rate groups; safe to use from threads.

    ``headroom`` is the used part of a published rate (0 to 1), ``share`` this process's part of that when several
    call in one account; they multiply.
    """

    def __init__(self, edition: Edition, headroom: float, clock: Clock, share: float = 1.0) -> None:
        self._edition = edition
        self._headroom = headroom
        self._share = _checked(share)
        self._clock = clock
        self._lock = threading.Lock()
        self._groups: dict[str, _Group] = {}
        self._usage = _UsageBook()
        self._started = clock.now()

    def acquire(self, product: str, action: str, *, repeat: bool = False) -> float:
        """Wait for a call's turn and count it; returns the seconds waited. First come, first served in a group.

        A ``repeat`` of a call that was let go before goes first, among repeats in order. Raises ``ValueError`` for an unknown product.
        """
        with self._lock:
            group = self._group(product, action)
            ticket = group.join(repeat=repeat)
        waited = 0.0
        try:
            while True:
                with self._lock:
                    now = self._clock.now()
                    group.follow(now)
                    rate = self._rate(group, now)
                    pause = group.try_to_go(ticket, now, rate, waited=waited > 0)
                    if not pause:
                        self._usage.add(group.name, now - self._started, calls=1, allowed=rate)
                        return waited
                # Outside the lock: other groups must not wait for this one.
                pause = min(pause, _LOOK_AGAIN_SECONDS)
                self._clock.sleep(pause)
                waited += pause
        finally:
            with self._lock:
                group.leave(ticket)

    def throttled(self, product: str, action: str, retry_after: float | None = None) -> None:
        """The service answered that a call was one too many: slow its group down.

        With ``retry_after`` (seconds, as the service said) no call of the group goes earlier than that from now, a
        minute at the most.
        """
        with self._lock:
            group = self._group(product, action)
            now = self._clock.now()
            group.follow(now)
            group.pace.throttled(now)
            if retry_after:
                group.hold(now + min(retry_after, _LONGEST_HOLD_SECONDS))
            self._usage.add(group.name, now - self._started, throttled=1, allowed=self._rate(group, now))

    @property
    def share(self) -> float:
        """This process's part of the account's rates."""
        with self._lock:
            return self._share

    def set_share(self, share: float) -> None:
        """Change the part, also while callers wait; raises ``ValueError`` unless 0 < ``share`` <= 1."""
        share = _checked(share)
        with self._lock:
            self._share = share

    def usage(self) -> tuple[Usage, ...]:
        """What was called and throttled, by group and second since the start; see :class:`Usage`.

        Runs longer than six hours are told in pieces of ten seconds, longer than sixty of a hundred.
        """
        with self._lock:
            return self._usage.told()

    def _group(self, product: str, action: str) -> _Group:
        name = rate_group(product, action, self._edition)
        if name not in self._groups:
            self._groups[name] = _Group(name, rate_limit(product, action, self._edition))
        return self._groups[name]

    def _rate(self, group: _Group, now: float) -> float:
        """Calls a second."""
        return group.limit.per_second * self._headroom * self._share * group.pace.at(now)


def _checked(share: float) -> float:
    if not 0 < share <= 1:
        raise ValueError(f"a share of the rates is above 0 and at most 1, got {share}")
    return share
