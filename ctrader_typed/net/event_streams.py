"""Streams of events: who gets which, and who is told that some are missing."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import trio

from ..errors import ConnectionLost, CTraderError, SlowSubscriber, again
from ..keywords import hot
from ..only_async import OnlyAsyncStream
from ..protocol.event_filters import Filter, accounts_of
from ..protocol.statistics import StreamStatistics
from ..protocol.stream_buffers import DropOldestBuffer, Dropped, Overflow, new_buffer
from ..protocol.stream_events import Gap, GivenUp, NotRestored
from ..trio_run import TrioRun

T_co = TypeVar("T_co", covariant=True)

BUFFER = 16_384
"""Events that may wait in a stream by default: several times what one receive can hold."""

CROWDED = 10_000
"""Waiting events that are never dropped after which a stream is complained of; then at twice."""

log = logging.getLogger(__name__)


@hot("take", "wants", "concerns", "put", "put_gap", "wake")
class EventStream(OnlyAsyncStream, Generic[T_co]):
    """Events of some types, in the order in which they came, over reconnects too.

    Open it with `async with`: what comes in from then on is kept for `async for`. Where a lost
    connection was replaced, a `Gap` comes before the first fresh event, whatever the types; and
    where an account's session was, in each stream that is not about other accounts alone.

    At most `buffer` events wait. What happens to more is the stream's policy: "raise" drops them,
    and the iteration raises SlowSubscriber at that point; iterating again goes on after it.
    "drop_oldest" drops those that wait longest; `statistics()` counts them. `conflate(...)` keeps
    the newest of each key. Execution events, order errors and gaps are never dropped: they wait
    beyond the buffer, and a warning is logged when they become very many.

    When there will be no more events, what is left is still given, then ConnectionLost is raised
    (ReconnectAbandoned is one); where the server has refused the accounts that the stream is about
    while others go on, that refusal, and fresh events come should somebody authorise them again.
    Waiting for an event can be cancelled, and loses none. A step is a checkpoint only when no event
    is there.
    """

    usage = "`async with api.events(...) as stream:`, and in it `async for event in stream:`"

    def __init__(
        self,
        home: EventHub,
        types: tuple[type[T_co], ...],
        buffer: int,
        overflow: Overflow = "raise",
        passes: Filter | None = None,
        accounts: frozenset[int] | None = None,
    ) -> None:
        self._home = home
        self.accounts = accounts
        """The accounts that it is about; None is all of them."""
        self.ended: CTraderError | None = None
        """Why nothing more comes; None while something may."""
        self._types = types
        self._passes = passes
        self._droppable = new_buffer(overflow, buffer)
        self._kept = DropOldestBuffer(None)
        self._received = 0
        self._most_waiting = 0
        self._crowd = CROWDED
        self._open = False
        self._reader = trio.lowlevel.ParkingLot()

    async def __aenter__(self) -> Self:
        self._home.run.check()
        self._open = True
        self._home.add(self)
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._home.run.check()
        self._open = False
        self._home.remove(self)
        self.wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T_co | Gap:
        while True:
            if not self._open:
                await trio.lowlevel.checkpoint()
                raise trio.ClosedResourceError("this stream is not open: use it in `async with`")
            try:
                return self.take()
            except trio.WouldBlock:
                pass  # a `with suppress` takes longer than all the rest of a step
            self._home.run.check()  # to wait elsewhere would break the run of the client
            if self.ended is not None:
                await trio.lowlevel.checkpoint()
                raise again(self.ended)
            await self._reader.park()

    def take(self) -> T_co | Gap:
        """The next event that is there; trio.WouldBlock if none is. SlowSubscriber as iterating."""
        first = self._droppable.first()
        kept = self._kept.first() if self._kept.items else None
        if first is not None and (kept is None or first < kept):
            event = self._droppable.pop()
            if type(event) is Dropped:
                raise SlowSubscriber(event.count)
        elif kept is not None:
            event = self._kept.pop()
        else:
            raise trio.WouldBlock
        fresh: T_co | Gap = event
        return fresh

    async def stirred(self) -> None:
        """Wait until something is there or has come, or all has stopped coming: `take` and
        `interrupted` say what it is. Raises what iterating does when nothing will come any more.
        """
        self._home.run.check()
        if self._waiting():
            await trio.lowlevel.checkpoint()
        elif self.ended is not None:
            await trio.lowlevel.checkpoint()
            raise again(self.ended)
        else:
            await self._reader.park()

    def _waiting(self) -> int:
        return len(self._kept) + len(self._droppable)

    @property
    def interrupted(self) -> str | None:
        """Why nothing comes now, the connection or an account's session being lost: a Gap will tell
        of it. None while all comes.
        """
        return self._home.why_lost(self)

    def wants(self, kind: type[Any]) -> bool:
        """Whether events of this type belong here: a type asked for, or a subclass of one."""
        return issubclass(kind, self._types)

    def concerns(self, account: int) -> bool:
        """Whether events of this account may come here."""
        return self._passes is None or self._passes(_Anything(account))

    def put(self, events: Sequence[Any], *, keep: bool) -> bool:
        """More events, never dropped if `keep`; `wake` follows when the batch is through. False if
        none of them passes the filter.
        """
        if self._passes is not None:
            events = [event for event in events if self._passes(event)]
        number = self._received + 1
        self._received += len(events)
        if keep:
            self._kept.extend(number, events)
            while len(self._kept) >= self._crowd:
                log.warning("%d events wait in a stream that may drop none", self._crowd)
                self._crowd *= 2
        else:
            self._droppable.extend(number, events)
        return len(events) > 0

    def put_gap(self, gap: Gap) -> None:
        """What comes from now on is fresh."""
        self._received += 1
        self._kept.put(self._received, gap)
        self._droppable.fence(self._received)

    def wake(self) -> None:
        """Let the reader look: a batch is through, so this is when the most of it waits."""
        self._most_waiting = max(self._most_waiting, self._waiting())
        self._reader.unpark_all()

    def statistics(self) -> StreamStatistics:
        """How it stands."""
        return StreamStatistics(
            tuple(kind.__name__ for kind in self._types),
            self._received,
            self._waiting(),
            self._most_waiting,
            self._droppable.dropped,
        )


@dataclass(frozen=True, slots=True)
class _Anything:
    """Some event of an account."""

    ctid_trader_account_id: int


@dataclass(frozen=True, slots=True)
class _Loss:
    """Since when events may be missing (trio's clock), why, and of which accounts: none is all."""

    at: float
    reason: str
    accounts: frozenset[int] = frozenset()


class EventHub:
    """All open streams of a client, and which types each of them wants.

    `never_dropped` are the types that wait however many they become; those `only_for_streams` mean
    nothing to anybody else. `run` is where its streams are read: the present one by default.
    """

    def __init__(
        self,
        never_dropped: tuple[type[Any], ...] = (),
        only_for_streams: Collection[type[Any]] = (),
        run: TrioRun | None = None,
    ) -> None:
        self.run = TrioRun() if run is None else run
        """The only one from which its streams can be waited for."""
        self._never_dropped = (*never_dropped, NotRestored)
        self._only_for_streams = only_for_streams
        self.unwanted: frozenset[type[Any]] = frozenset()
        """Types that came, of those `only_for_streams`, and that no stream is open for."""
        self._streams: list[EventStream[Any]] = []
        self._by_type: dict[type[Any], tuple[bool, list[EventStream[Any]]]] = {}
        self._losses: dict[EventStream[Any], _Loss] = {}
        self._regained: set[int] = set()
        self._connection = 1
        self.ended: ConnectionLost | None = None
        """Why no more events can come; None while they can."""
        self.refused: dict[int, CTraderError | None] = {}
        """Accounts that the server has refused since, and why; None if somebody may mend it."""

    def add(self, stream: EventStream[Any]) -> None:
        """From now on the stream gets what it wants."""
        self.unwanted = frozenset()
        self._streams.append(stream)
        self._by_type.clear()
        self._end_or_not(stream)

    def remove(self, stream: EventStream[Any]) -> None:
        """It gets nothing any more."""
        self._streams.remove(stream)
        self._losses.pop(stream, None)
        self._by_type.clear()

    def wanted(self, kind: type[Any]) -> bool:
        """Whether any stream is open for this type."""
        return any(stream.wants(kind) for stream in self._streams)

    def statistics(self) -> tuple[StreamStatistics, ...]:
        """How each of them stands."""
        return tuple(stream.statistics() for stream in self._streams)

    def publish(self, events: Sequence[object]) -> None:
        """Hand a batch to the streams and wake each reader once. Never waits."""
        touched: set[EventStream[Any]] = set()
        # Events of one type come in rows: a row takes 0.1 µs an event, one by one they took 0.9.
        for kind, row in groupby(events, type):
            route = self._by_type.get(kind)
            if route is None:
                route = self._by_type[kind] = self._route(kind)
            keep, streams = route
            if not streams:
                if kind in self._only_for_streams:
                    self.unwanted |= {kind}
                continue
            together = list(row)
            for stream in streams:
                if stream in self._losses:
                    put = self._put_after_loss(stream, together, keep=keep)
                else:
                    put = stream.put(together, keep=keep)
                if put:
                    touched.add(stream)
        for stream in touched:
            stream.wake()

    def _put_after_loss(self, stream: EventStream[Any], events: list[Any], *, keep: bool) -> bool:
        """One by one, for the stream is to be told of its gap before the first fresh one."""
        put = False
        for event in events:
            if self._fresh(stream, event):
                self._tell(stream)
            put |= stream.put((event,), keep=keep)
        return put

    def _route(self, kind: type[Any]) -> tuple[bool, list[EventStream[Any]]]:
        keep = issubclass(kind, self._never_dropped)
        return keep, [stream for stream in self._streams if stream.wants(kind)]

    # --- connections ---

    def lost(self, at: float, reason: str) -> None:
        """The connection is gone, nothing having come since `at`; there will be another one."""
        self._regained.clear()
        for stream in self._streams:
            before = self._losses.get(stream)
            if before is None or before.accounts:
                self._losses[stream] = _Loss(at if before is None else before.at, reason)
                stream.wake()

    def why_lost(self, stream: EventStream[Any]) -> str | None:
        """What the stream has not been told of yet; None if all comes."""
        loss = self._losses.get(stream)
        return None if loss is None else loss.reason

    def connected(self, connection: int) -> None:
        """What comes now is from this connection, by its number."""
        self._connection = connection

    def restored(self) -> None:
        """The session is as it was: whoever has not been told of the gap is told now."""
        for stream in tuple(self._losses):
            self._tell(stream)
            stream.wake()

    def _fresh(self, stream: EventStream[Any], event: object) -> bool:
        """Whether the stream is to be told of its gap before this event."""
        loss = self._losses.get(stream)
        if loss is None:
            return False
        regained = loss.accounts & self._regained
        return not loss.accounts or any(account in regained for account in accounts_of(event))

    def _tell(self, stream: EventStream[Any]) -> None:
        loss = self._losses.pop(stream)
        now = time.time_ns() // 1_000_000
        lost_at = now - round(1000 * (trio.current_time() - loss.at))
        stream.put_gap(Gap(lost_at, now, self._connection, loss.reason))
        still_lost = loss.accounts - self._regained
        if still_lost:
            self._losses[stream] = replace(loss, accounts=still_lost)

    # --- sessions of accounts, while the connection stands ---

    def session_lost(self, account: int, reason: str) -> None:
        """Nothing comes for this account any more, until it is authorised again."""
        self._regained.discard(account)
        for stream in self._streams:
            loss = self._losses.get(stream)
            if loss is None and stream.concerns(account):
                self._losses[stream] = _Loss(trio.current_time(), reason, frozenset((account,)))
                stream.wake()
            elif loss is not None and loss.accounts and stream.concerns(account):
                self._losses[stream] = replace(loss, accounts=loss.accounts | {account})

    def session_regained(self, account: int) -> None:
        """What comes for it from now on is fresh."""
        self._regained.add(account)

    def sessions_restored(self) -> None:
        """Accounts have again what they had: whoever has not been told of the gap is told now."""
        for stream, loss in tuple(self._losses.items()):
            if not self._regained.isdisjoint(loss.accounts):
                self._tell(stream)
                stream.wake()

    def end(self, why: ConnectionLost) -> None:
        """No more events: every stream gives what it has and then says why."""
        self.ended = why
        self._end_or_not(*self._streams)

    def account_refused(self, account: int, why: CTraderError, *, for_good: bool) -> None:
        """Streams that are about accounts refused `for_good` alone say so after what they have."""
        self.refused[account] = why if for_good else self.refused.get(account)
        self.session_lost(account, str(why))
        self._end_or_not(*self._streams)

    def account_accepted(self, account: int) -> None:
        """Somebody has authorised it again: what comes for it from now on is fresh."""
        del self.refused[account]
        self.session_regained(account)
        self._end_or_not(*self._streams)

    def _end_or_not(self, *streams: EventStream[Any]) -> None:
        """Who asks for notices was told by them, and goes on."""
        for stream in streams:
            told = stream.wants(NotRestored) or stream.wants(GivenUp)
            reasons = [self.refused.get(each) for each in stream.accounts or ()]
            stream.ended = self.ended
            if self.ended is None and reasons and not told and None not in reasons:
                stream.ended = reasons[0]
            if stream.ended is not None:
                stream.wake()
