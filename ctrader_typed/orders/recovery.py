"""What to ask the server after a lost link, and what its answers say of the requests in doubt.

Pure: a generator that gives questions and takes answers. It asks only, so it may be stopped
anywhere and begun again. Knows no task; whoever drives it sends the questions.

New orders are found by their clientOrderId. A request to close a position carries no id: its order
is found in the position's history by volume and time. It is taken for ours if there are exactly as
many such orders as requests in doubt. So who closes the same volume of a position from two places
while the link is down may be told of the other's close, or that the outcome is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from itertools import groupby
from typing import Any, TypeAlias

from ..message import Message, Request
from ..proto import ProtoOAOrder, ProtoOAOrderStatus, ProtoOAPosition
from ..protocol.errors import OrderError
from .amendment_check import amended, protected
from .order_fields import is_protective
from .order_ids import TradingKind
from .order_states import OrderTransition
from .order_tracker import OrderTracker
from .tracked_order import CHECKS, TrackedOrder

DAY = 86_400_000
"""Milliseconds by which our clock and the server's may differ before an order is not found."""

WEEK = 7 * DAY
"""The widest window that was ever documented for lists."""

ALL_TIMES = (0, 2_147_483_646_000)
"""The widest window that the schema allows."""

CLOCK = 60_000
"""Milliseconds by which a close may seem older than our request, by our own clock."""

RecoveryRequest: TypeAlias = Request[Any]
RecoveryReply: TypeAlias = Any
"""The answer's message; None for a refusal."""

RecoverySteps: TypeAlias = Generator[RecoveryRequest, RecoveryReply, None]


def check(
    book: OrderTracker, account: int, now: int, age: float
) -> Generator[RecoveryRequest, RecoveryReply, bool]:
    """Ask once about everything of an account that has to be asked; False if it may not be asked.

    `now` is our clock in ms; `age` says for how many seconds, by a clock that nobody sets, no
    earlier process has had the journal. A refusal of the first question says that the account is
    not authorised (yet): nothing is concluded from it. What is still to be asked at the end has one
    check less to go.
    """
    if not (yield from _reconcile(book, account)):
        return False
    yield from _unnamed(book, account, now)
    yield from _closes(book, account)
    yield from _details(book, account)
    for _ in range(CHECKS):  # what was found out meanwhile has changed positions
        if not _stale(book, account) or not (yield from _reconcile(book, account)):
            break
    for tracked in book.followed(account):
        tracked.checked(age)
        book.found(tracked)
    return True


def _note(book: OrderTracker, account: int, answer: Any) -> None:
    times = (part.utc_last_update_timestamp for part in (*answer.position, *answer.order))
    book.note_time(account, (time for time in times if time is not None))


# --- the reconciliation ---


def _reconcile(book: OrderTracker, account: int) -> Generator[RecoveryRequest, RecoveryReply, bool]:
    """Compare with what is open and pending; False if that is refused.

    An event that comes before the answer may be newer than it: such a position is asked for again.
    """
    revisions = {tracked: tracked.revision for tracked in _stale(book, account)}
    everything = {"return_protection_orders": True} if book.roles.asks_for_protection else {}
    answer = yield book.roles.reconcile(ctid_trader_account_id=account, **everything)
    if answer is None:
        return False
    _note(book, account, answer)
    positions: list[ProtoOAPosition] = answer.position
    orders: list[ProtoOAOrder] = answer.order
    unmoved = [tracked for tracked, revision in revisions.items() if tracked.revision == revision]
    _take_stock(book, unmoved, positions, orders)
    _pending(book, account, orders, answer)
    _protected(book, account, positions)
    return True


def _stale(book: OrderTracker, account: int) -> list[TrackedOrder]:
    return [tracked for tracked in book.followed(account) if tracked.stale]


def _take_stock(
    book: OrderTracker,
    tracked_orders: list[TrackedOrder],
    positions: list[ProtoOAPosition],
    orders: list[ProtoOAOrder],
) -> None:
    by_id = {position.position_id: position for position in positions}
    protections = {order.position_id: order for order in orders if is_protective(order)}
    for tracked in tracked_orders:
        number = tracked.position_id
        assert number is not None, "what is stale has a position"
        tracked.take_stock(by_id.get(number), protections.get(number))
        book.found(tracked)


def _pending(book: OrderTracker, account: int, orders: list[ProtoOAOrder], answer: Message) -> None:
    for order in orders:
        tracked = None if is_protective(order) else book.owner(account, order)
        if tracked is not None:
            _digest(book, tracked, order, (), answer)


def _protected(book: OrderTracker, account: int, positions: list[ProtoOAPosition]) -> None:
    by_id = {position.position_id: position for position in positions}
    for tracked in book.in_doubt(account):
        position = by_id.get(tracked.position_id or 0)
        if (
            tracked.kind is TradingKind.PROTECT
            and position is not None
            and protected(tracked.request, position)
        ):
            tracked.conclude(OrderTransition.REPLACE)
            book.found(tracked)


# --- new orders whose id we were not told ---


def _unnamed(book: OrderTracker, account: int, now: int) -> RecoverySteps:
    def sought() -> list[TrackedOrder]:
        return [
            f for f in book.in_doubt(account) if f.kind is TradingKind.OPEN and f.order_id is None
        ]

    whole, names = True, set[str | None]()
    for start, end in _windows(sought(), now, book.server_time.get(account)):
        upto = end
        while sought():
            answer = yield book.roles.order_list(
                ctid_trader_account_id=account, from_timestamp=start, to_timestamp=upto
            )
            if answer is None:
                whole = whole and (start, end) == ALL_TIMES  # which the others cover
                break
            found: list[ProtoOAOrder] = answer.order
            names.update(order.client_order_id for order in found)
            _matched(book, account, found)
            further = _further(answer, upto)
            whole = whole and (further is not None or not answer.has_more)
            if further is None or (start, end) == ALL_TIMES:
                break  # of all times only the newest: what is older is in the other windows
            upto = further
    for tracked in sought():
        tracked.nowhere = whole and tracked.client_order_id not in names


def _matched(book: OrderTracker, account: int, orders: Iterable[ProtoOAOrder]) -> None:
    by_fate: dict[TrackedOrder, list[ProtoOAOrder]] = {}
    for order in orders:
        tracked = None if is_protective(order) else book.owner(account, order)
        if tracked is not None and tracked.order_id is None:
            by_fate.setdefault(tracked, []).append(order)
    for tracked, same in by_fate.items():
        if len({order.order_id for order in same}) == 1:  # an id used twice tells nothing
            tracked.bind(same[0])
            book.found(tracked)


def _further(answer: Any, upto: int) -> int | None:
    """Where the next page of a list ends, that of this answer being `upto`; None if it is the last.

    The oldest ms is asked again, for it may have more rows; unless it filled the page.
    """
    orders: list[ProtoOAOrder] = answer.order
    times = (order.utc_last_update_timestamp for order in orders)
    oldest = min((time for time in times if time is not None), default=None)
    if not answer.has_more or oldest is None:
        return None
    return min(oldest, upto - 1)


def _windows(
    tracked_orders: list[TrackedOrder], now: int, server_time: int | None
) -> list[tuple[int, int]]:
    """Where to look: from when the first was placed until now, with room for clocks that differ.

    By our clock, then by the server's where it is another, then everywhere at once, which servers
    may refuse. Newest first, at most a week at a time.
    """
    if not tracked_orders:
        return []
    windows = _weeks(min(tracked.placed_at for tracked in tracked_orders) - DAY, now + DAY)
    if server_time is not None and not windows[-1][0] <= server_time <= windows[0][1]:
        marks = [
            server_time if tracked.mark is None else tracked.mark for tracked in tracked_orders
        ]
        windows += _weeks(min(marks) - DAY, server_time + DAY)
    return [*windows, ALL_TIMES]


def _weeks(start: int, end: int) -> list[tuple[int, int]]:
    start = max(start, 0)
    return [(max(start, upto - WEEK), upto) for upto in range(end, start, -WEEK)]


# --- closes ---


def _closes(book: OrderTracker, account: int) -> RecoverySteps:
    def place(tracked: TrackedOrder) -> int:
        return tracked.position_id or 0

    unnamed = [
        f for f in book.in_doubt(account) if f.kind is TradingKind.CLOSE and f.order_id is None
    ]
    for position_id, group in groupby(sorted(unnamed, key=place), key=place):
        history: list[ProtoOAOrder] = []
        whole = yield from _history(book, account, position_id, history)
        _pair(book, account, list(group), history, whole=whole)


def _history(
    book: OrderTracker, account: int, position_id: int, history: list[ProtoOAOrder]
) -> Generator[RecoveryRequest, RecoveryReply, bool]:
    """All orders of a position; False if a part of them is refused."""
    upto: int | None = None  # no window at first: that is the way that is known to work
    while True:
        answer = yield book.roles.orders_of_position(
            ctid_trader_account_id=account, position_id=position_id, to_timestamp=upto
        )
        if answer is None:
            return False
        history += answer.order
        upto = _further(answer, ALL_TIMES[1] if upto is None else upto)
        if upto is None:
            return not answer.has_more


def _pair(
    book: OrderTracker,
    account: int,
    tracked_orders: list[TrackedOrder],
    history: list[ProtoOAOrder],
    *,
    whole: bool,
) -> None:
    volumes = {_volume(tracked) for tracked in tracked_orders}
    closes = {
        order.order_id: order
        for order in history
        if order.closing_order is True
        and not is_protective(order)
        and order.is_stop_out is not True
    }
    for volume in volumes:
        asked = [tracked for tracked in tracked_orders if _volume(tracked) == volume]
        fits = [
            order
            for order in closes.values()
            if order.trade_data.volume == volume
            and not book.taken(account, order)
            and not any(_older(book, tracked, order) for tracked in asked)
        ]
        for tracked in asked:
            tracked.nowhere = whole and all(o.trade_data.volume != volume for o in closes.values())
        fits.sort(key=lambda order: (order.trade_data.open_timestamp or 0, order.order_id))
        if len(fits) == len(asked):
            for tracked, order in zip(asked, fits, strict=True):
                tracked.bind(order)
                book.found(tracked)


def _volume(tracked: TrackedOrder) -> int:
    fields: Any = tracked.request
    volume: int = fields.volume
    return volume


def _older(book: OrderTracker, tracked: TrackedOrder, order: ProtoOAOrder) -> bool:
    opened = order.trade_data.open_timestamp
    if opened is None:
        return True
    return (
        book.too_early(tracked, order)
        if tracked.mark is not None
        else opened < tracked.placed_at - CLOCK
    )


# --- orders whose id we know ---


def _details(book: OrderTracker, account: int) -> RecoverySteps:
    for tracked in book.followed(account):
        if tracked.order_id is None or not (tracked.in_doubt or tracked.deals_due):
            continue
        answer = yield book.roles.order_details(
            ctid_trader_account_id=account, order_id=tracked.order_id
        )
        if answer is None:
            continue
        order: ProtoOAOrder = answer.order
        conclusion = _CONCLUSIONS.get(tracked.kind)
        if conclusion is not None:
            conclusion(tracked, order, answer)
            book.found(tracked)
            continue
        deals = list(answer.deal)
        if (order.executed_volume or 0) > sum(deal.filled_volume for deal in deals):
            more = yield book.roles.deals_of_position(
                ctid_trader_account_id=account, position_id=order.position_id or 0
            )
            deals += [] if more is None else more.deal
        _digest(book, tracked, order, deals, answer)


def _digest(
    book: OrderTracker,
    tracked: TrackedOrder,
    order: ProtoOAOrder,
    deals: Iterable[Any],
    answer: Message,
) -> None:
    rejected = order.order_status == ProtoOAOrderStatus.ORDER_STATUS_REJECTED
    tracked.digest(order, deals, _ended(tracked, order, answer) if rejected else None)
    book.found(tracked)


def _ended(tracked: TrackedOrder, order: ProtoOAOrder, answer: Message) -> OrderError:
    """What an order's end amounts to for a request that thereby failed; nobody gave a code."""
    description = "found out by asking: the reason is not known"
    return OrderError(
        order.order_status.name,
        description,
        tracked.request,
        answer,
        order.order_id,
        order.position_id,
    )


def _amended(tracked: TrackedOrder, order: ProtoOAOrder, answer: Message) -> None:
    if amended(tracked.request, order):
        tracked.conclude(OrderTransition.REPLACE)


def _cancelled(tracked: TrackedOrder, order: ProtoOAOrder, answer: Message) -> None:
    """The order is cancelled, or has ended otherwise and cannot be any more, or lives on."""
    status = order.order_status
    if status == ProtoOAOrderStatus.ORDER_STATUS_CANCELLED:
        tracked.conclude(OrderTransition.CANCEL)
    elif status != ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED:
        tracked.conclude(OrderTransition.REJECT, _ended(tracked, order, answer))


_CONCLUSIONS: dict[TradingKind, Callable[[TrackedOrder, ProtoOAOrder, Message], None]] = {
    TradingKind.AMEND: _amended,
    TradingKind.CANCEL: _cancelled,
}
