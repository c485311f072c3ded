"""The lanes: never above a limit, never idle, nobody starved, orders first. Prints the figures."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ctrader_typed import (
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOACancelOrderReq,
    ProtoOADealListReq,
    ProtoOAGetTickDataReq,
    ProtoOAGetTrendbarsReq,
    ProtoOANewOrderReq,
    ProtoOASymbolByIdReq,
    ProtoOATraderReq,
    ProtoOAVersionReq,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.protocol.rate_limits import (
    HASTY,
    HISTORICAL,
    UNCOUNTED,
    Lane,
    LaneRule,
    RateLimits,
    lane_rules,
)
from ctrader_typed.protocol.request_queue import FAIRNESS, RequestQueue
from ctrader_typed.protocol.server_blocks import FIRST_GUESS, LONGEST_GUESS

READ, OTHER_READ, ORDER = ProtoOATraderReq, ProtoOASymbolByIdReq, ProtoOANewOrderReq
BARS, TICKS, AUTH = ProtoOAGetTrendbarsReq, ProtoOAGetTickDataReq, ProtoOAAccountAuthReq
MARGIN = RateLimits().margin
PERIOD = 1 + MARGIN
TEN_MINUTES = 600.0


def new_lanes(**limits: Any) -> RequestQueue[int]:
    return RequestQueue(SCHEMA, RateLimits(**limits))


def drain(queue: RequestQueue[Any], now: float) -> list[Any]:
    return list(iter(lambda: queue.pop(now), None))


def run(queue: RequestQueue[Any], now: float, until: float) -> list[tuple[float, Any]]:
    """What leaves and when, if nothing else happens."""
    left: list[tuple[float, Any]] = []
    while (at := queue.next_at(now)) is not None and at <= until:
        now = at
        left += [(now, item) for item in drain(queue, now)]
    return left


def worst_second(times: list[float], jitter: float = 0.0) -> int:
    """The most arrivals in any half-open second, when each may come up to `jitter` late.

    An early send that is late and a later one that is not come `jitter` nearer to each other.
    """
    most = start = 0
    for end, time in enumerate(times):
        while time - times[start] - jitter >= 1:
            start += 1
        most = max(most, end - start + 1)
    return most


# --- the facts ---


def test_the_table_is_that_of_the_facts(recordings: Path) -> None:
    facts = json.loads((recordings.parent / "request_map.json").read_text())
    assert {fact["request"] for fact in facts if fact["historical"]} == HISTORICAL
    where = lane_rules(SCHEMA, RateLimits())
    for fact in facts:
        kind = SCHEMA.by_name[fact["request"]]
        if fact["payloadType"] == 51:
            assert kind not in where  # a heartbeat is no request
            continue
        orders = fact["responses"] == ["ProtoOAExecutionEvent"]
        expected = (
            LaneRule.ORDER if orders else LaneRule.HISTORY if fact["historical"] else LaneRule.READ
        )
        if kind.__name__ in UNCOUNTED:
            expected = LaneRule.UNCOUNTED
        if kind.__name__ in HASTY:
            expected = LaneRule.URGENT
        assert where[kind] is expected
    assert len(where) == 42
    assert where[ProtoOAApplicationAuthReq] is where[AUTH] is LaneRule.UNCOUNTED


def test_the_caller_has_the_last_word_on_what_is_historical() -> None:
    only_bars = RateLimits(historical_requests=frozenset(["ProtoOAGetTrendbarsReq"]))
    where = lane_rules(SCHEMA, only_bars)
    assert (where[BARS], where[ProtoOADealListReq]) == (LaneRule.HISTORY, LaneRule.READ)
    with pytest.raises(ValueError, match=r"release 91 has no ProtoOAGetTrendbars$"):
        lane_rules(SCHEMA, RateLimits(historical_requests=frozenset(["ProtoOAGetTrendbars"])))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"ordinary": 0}, r"ordinary = 0 .*: expected a whole number, 1 or more"),
        ({"historical": -1}, r"historical = -1 .*: expected a whole number, 1 or more"),
        ({"margin": -0.1}, r"margin = -0.1 .*: expected seconds as a number, 0 or more"),
    ],
)
def test_limits_that_are_none(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        RateLimits(**wrong)


# --- the figures ---


def saturated() -> list[tuple[float, type]]:
    """What leaves in ten minutes if there is always more of everything but orders."""
    queue = new_lanes()
    for n in range(40_000):
        queue.submit(READ, (READ, n))  # type: ignore[arg-type]  # told apart by their kind
    for n in range(4_000):
        queue.submit(BARS, (BARS, n))  # type: ignore[arg-type]  # likewise
    return [(at, item[0]) for at, item in run(queue, 0.0, TEN_MINUTES)]


def test_ten_saturated_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    left = saturated()
    lines = []
    for kind, limit in ((READ, 50), (BARS, 5)):
        times = [at for at, what in left if what is kind]
        share = len(times) / (limit * TEN_MINUTES)
        worst, with_jitter = worst_second(times), worst_second(times, jitter=MARGIN * 0.999)
        assert worst <= limit
        assert with_jitter <= limit
        assert share >= 0.95
        lines.append(
            f"{kind.__name__}: {len(times)} in ten minutes = {share:.1%} of {limit}/s, at most "
            f"{worst} in any second ({with_jitter} with {MARGIN * 1000:.0f} ms of jitter)"
        )
    with capsys.disabled():
        print("\n" + "\n".join(lines))  # noqa: T201 - figures that were promised


def longest_wait(queue: RequestQueue[Any], start: float, seconds: float) -> float:
    """How long an order waits at most, one every 97 ms, while everything else waits in line."""
    run(queue, 0.0, start)
    waits: list[float] = []
    at = start
    for n in range(round(seconds / 0.097)):
        run(queue, at, start + n * 0.097)
        at = asked_at = start + n * 0.097
        queue.submit(ORDER, ("order", n))
        while True:
            following = queue.next_at(at)
            assert following is not None
            at = following
            if ("order", n) in drain(queue, at):
                break
        waits.append(at - asked_at)
    return max(waits)


def test_history_never_delays_an_order() -> None:
    queue: RequestQueue[Any] = RequestQueue(SCHEMA, RateLimits())
    for n in range(10_000):
        queue.submit(BARS if n % 2 else TICKS, ("history", n))
    assert longest_wait(queue, 0, 60) == 0.0


def test_an_order_overtakes_the_reads_that_wait(capsys: pytest.CaptureFixture[str]) -> None:
    queue: RequestQueue[Any] = RequestQueue(SCHEMA, RateLimits())
    for n in range(10_000):
        queue.submit(READ, ("read", n))
    first, after = longest_wait(queue, 0, 3), longest_wait(queue, 10, 60)
    with capsys.disabled():
        print(  # noqa: T201 - figures that were promised
            f"\nbehind 10,000 reads an order waits at most {first * 1000:.0f} ms in the first "
            f"seconds and {after * 1000:.0f} ms after that"
        )
    assert first <= 0.3
    assert after <= 0.1


def test_reads_are_not_starved_by_orders() -> None:
    queue: RequestQueue[Any] = RequestQueue(SCHEMA, RateLimits())
    for n in range(2_000):
        queue.submit(ORDER, ("order", n))
        queue.submit(READ, ("read", n))
    left = [item for _, item in run(queue, 0.0, 20.0)]
    for n in range(0, len(left) - FAIRNESS, FAIRNESS + 1):
        names = [what for what, _ in left[n : n + FAIRNESS + 1]]
        assert names == ["order"] * FAIRNESS + ["read"]
    assert len(left) > 900


# --- order within a lane ---


def test_first_come_first_served() -> None:
    queue = new_lanes(ordinary=None)
    for n in range(200):
        queue.submit((READ, OTHER_READ)[n % 2], n)
    assert drain(queue, 0.0) == list(range(200))


def test_turns() -> None:
    queue = new_lanes()
    for n, kind in enumerate([BARS, READ, ORDER, AUTH, ProtoOACancelOrderReq]):
        queue.submit(kind, n)
    queue.submit(ProtoOAVersionReq, 5, urgent=True)
    assert drain(queue, 0.0) == [3, 5, 2, 4, 1, 0]


def test_authorisations_are_not_counted() -> None:
    queue = new_lanes()
    for n in range(500):
        queue.submit(AUTH, n)
    assert drain(queue, 0.0) == list(range(500))
    assert queue.view(0.0).ordinary.left == 50


def test_a_few_reads_leave_at_once_and_then_one_by_one() -> None:
    queue = new_lanes()
    for n in range(12):
        queue.submit(READ, n)
    times = [at for at, _ in run(queue, 7.0, 100.0)]
    assert times == pytest.approx([7.0] * 10 + [7.0 + PERIOD / 50, 7.0 + 2 * PERIOD / 50])


def test_without_limits_all_leave_at_once() -> None:
    queue = new_lanes(ordinary=None, historical=None)
    for n in range(1_000):
        queue.submit((READ, BARS, ORDER)[n % 3], n)
    assert len(drain(queue, 0.0)) == 1_000
    view = queue.view(0.0)
    assert (view.ordinary.limit, view.ordinary.left, view.historical.left) == (None, None, None)


def test_what_is_removed_does_not_leave() -> None:
    queue = new_lanes()
    queue.submit(READ, 1)
    queue.submit(READ, 2)
    queue.submit(READ, 3, urgent=True)
    assert queue.remove(READ, 1)
    assert not queue.remove(READ, 1)
    assert queue.remove(READ, 3)
    assert drain(queue, 0.0) == [2]
    assert queue.next_at(0.0) is None


def test_clearing_gives_everything_in_the_order_in_which_it_came() -> None:
    queue = new_lanes()
    for n, kind in enumerate([BARS, READ, ORDER, AUTH, READ]):
        queue.submit(kind, n)
    assert queue.clear() == [0, 1, 2, 3, 4]
    assert queue.pop(0.0) is None


def test_a_place_is_taken_from_when_the_bytes_have_left() -> None:
    queue = new_lanes(historical=1)
    queue.submit(BARS, 1)
    queue.submit(BARS, 2)
    assert queue.pop(0.0) == 1
    queue.written(0.7)
    assert queue.next_at(0.7) == pytest.approx(0.7 + PERIOD)
    queue.submit(AUTH, 3)
    assert queue.pop(0.8) == 3
    queue.written(9.0)  # of what is not counted
    assert queue.next_at(0.9) == pytest.approx(0.7 + PERIOD)


def test_the_places_of_all_that_left_together_are_taken_from_then_on() -> None:
    queue = new_lanes(historical=3)
    for n in range(4):
        queue.submit(BARS, n)
    assert queue.pop(0.0) == 0
    queue.written(0.1)
    assert [queue.pop(0.2), queue.pop(0.3)] == [1, 2]
    queue.written(0.9)  # both of them, and not the one before
    assert queue.next_at(0.9) == pytest.approx(0.1 + PERIOD)
    assert queue.pop(0.1 + PERIOD) == 3
    queue.submit(BARS, 4)
    queue.submit(BARS, 5)
    assert queue.next_at(1.5) == pytest.approx(0.9 + PERIOD)
    assert queue.pop(0.9 + PERIOD) == 4
    assert queue.pop(0.9 + PERIOD) == 5


# --- refusals ---


def test_the_hint_blocks_that_kind_and_no_other() -> None:
    queue = new_lanes()
    queue.refused(BARS, sent_at=0.0, now=10.0, hint=3, whole_lane=False)
    queue.submit(BARS, 1)
    queue.submit(TICKS, 2)
    assert drain(queue, 10.0) == [2]
    assert queue.view(10.0).blocked == {"ProtoOAGetTrendbarsReq": 13.0}
    assert queue.view(10.0).historical == Lane(5, 1, 4, None)
    assert queue.next_at(10.0) == 13.0
    assert queue.pop(12.999) is None
    assert queue.pop(13.0) == 1
    assert queue.view(13.0).blocked == {}


def test_a_whole_lane_of_reads_waits_and_the_other_does_not() -> None:
    queue = new_lanes()
    queue.refused(READ, sent_at=0.0, now=10.0, hint=None, whole_lane=True)
    for n, kind in enumerate([READ, OTHER_READ, BARS, ORDER, AUTH]):
        queue.submit(kind, n)
    queue.submit(ProtoOAVersionReq, 5, urgent=True)
    assert drain(queue, 10.0) == [4, 5, 3, 2]
    view = queue.view(10.0)
    assert (view.ordinary.blocked_until, view.historical.blocked_until) == (11.0, None)
    assert drain(queue, 11.0) == [0, 1]


def test_without_a_hint_the_wait_doubles_up_to_two_minutes() -> None:
    queue, now, waits = new_lanes(), 0.0, []
    for _ in range(10):
        queue.refused(BARS, sent_at=now, now=now, hint=None, whole_lane=False)
        queue.submit(BARS, 1)
        following = queue.next_at(now)
        assert following is not None
        waits.append(following - now)
        now = following
        assert queue.pop(now) == 1
    assert waits == [1, 2, 4, 8, 16, 32, 64, 120, 120, 120]
    assert (waits[0], waits[-1]) == (FIRST_GUESS, LONGEST_GUESS)


def test_a_hint_that_was_too_short_is_not_believed_again_until_something_passes() -> None:
    queue, now, waits = new_lanes(), 0.0, []
    for refusals in (5, 2):
        for _ in range(refusals):
            queue.refused(BARS, sent_at=now, now=now, hint=2, whole_lane=False)
            until = queue.view(now).blocked["ProtoOAGetTrendbarsReq"]
            waits.append(until - now)
            now = until
        queue.passed(BARS, sent_at=now)
    assert waits == [2, 2, 4, 8, 16, 2, 2]


def test_many_refusals_of_one_burst_are_one() -> None:
    queue = new_lanes()
    for n in range(26):
        queue.refused(READ, sent_at=n / 100, now=1 + n / 100, hint=None, whole_lane=True)
    assert queue.view(1.5).ordinary.blocked_until == 2.0
    queue.refused(READ, sent_at=0.5, now=1.6, hint=30, whole_lane=True)
    assert queue.view(1.6).ordinary.blocked_until == 31.6


def test_a_late_answer_to_an_old_request_does_not_lift_a_block() -> None:
    queue = new_lanes()
    queue.refused(READ, sent_at=1.0, now=2.0, hint=5, whole_lane=False)
    queue.passed(READ, sent_at=0.9)
    assert queue.view(2.0).blocked == {"ProtoOATraderReq": 7.0}


def test_an_order_is_never_held_back_but_known_to_be_blocked() -> None:
    queue = new_lanes()
    queue.refused(ORDER, sent_at=0.0, now=1.0, hint=None, whole_lane=False)
    assert queue.blocked(ORDER, 1.0) is None
    queue.refused(ORDER, sent_at=0.0, now=1.0, hint=4, whole_lane=False)
    queue.refused(ORDER, sent_at=0.0, now=1.0, hint=2, whole_lane=False)
    assert queue.blocked(ORDER, 1.0) == 5.0
    assert queue.blocked(ProtoOACancelOrderReq, 1.0) is None
    queue.submit(ORDER, 1)
    assert queue.pop(1.0) == 1
    assert queue.blocked(ORDER, 5.0) is None
    queue.refused(READ, sent_at=0.0, now=1.0, hint=4, whole_lane=False)
    assert queue.blocked(READ, 1.0) is None  # reads wait instead


def test_an_order_too_many_holds_back_the_reads() -> None:
    queue = new_lanes()
    queue.refused(ORDER, sent_at=0.0, now=1.0, hint=None, whole_lane=True)
    assert queue.view(1.0).ordinary.blocked_until == 2.0


# --- all of it, in any order ---


class Traffic(RuleBasedStateMachine):
    """Requests, time and refusals in any order, beside a model that is only lists."""

    kinds = (READ, OTHER_READ, ORDER, ProtoOACancelOrderReq, BARS, TICKS, AUTH)

    @initialize(ordinary=st.integers(1, 12), historical=st.integers(1, 4))
    def start(self, ordinary: int, historical: int) -> None:
        self.limits = RateLimits(ordinary=ordinary, historical=historical)
        self.queue: RequestQueue[int] = RequestQueue(SCHEMA, self.limits)
        self.where = lane_rules(SCHEMA, self.limits)
        self.now = 0.0
        self.numbers = itertools.count()
        self.waiting: dict[int, type] = {}
        self.sent: dict[LaneRule, list[float]] = {turn: [] for turn in LaneRule}
        self.refusals: dict[type, float] = {}

    @rule(kind=st.sampled_from(kinds), count=st.integers(1, 8))
    def submit(self, kind: type, count: int) -> None:
        for number in itertools.islice(self.numbers, count):
            self.queue.submit(kind, number)
            self.waiting[number] = kind

    @rule(seconds=st.sampled_from([0.001, 0.02, 0.11, 0.5, 0.99, 1.0, 1.04, 3.0]))
    def sleep(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def pop(self) -> None:
        number = self.queue.pop(self.now)
        if number is not None:
            self.leaves(number)

    @rule()
    def sleep_until_something_may_leave(self) -> None:
        at = self.queue.next_at(self.now)
        assert (at is None) == (not self.waiting)
        if at is None:
            return
        if at > self.now:
            assert self.queue.pop(self.now) is None
            assert self.queue.pop((self.now + at) / 2) is None
        self.now = at
        number = self.queue.pop(at)
        assert number is not None
        self.leaves(number)

    def leaves(self, number: int) -> None:
        kind = self.waiting.pop(number)
        turn = self.where[kind]
        assert self.refusals.get(kind, 0.0) <= self.now or turn is LaneRule.ORDER
        older = [n for n, other in self.waiting.items() if n < number and self.where[other] is turn]
        assert all(self.refusals.get(self.waiting[n], 0.0) > self.now for n in older)
        self.sent[turn].append(self.now)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.waiting)))
        assert self.queue.remove(self.waiting.pop(number), number)

    @rule(kind=st.sampled_from(kinds[:-1]), hint=st.sampled_from([0.5, 2.0, 9.0]))
    def refuse(self, kind: type, hint: float) -> None:
        self.queue.refused(kind, self.now - 100, self.now, hint, whole_lane=False)
        until = self.queue.view(self.now).blocked[kind.__name__]
        assert until >= self.now + hint
        self.refusals[kind] = until

    @invariant()
    def no_second_has_more_than_its_limit(self) -> None:
        ordinary = sorted(self.sent[LaneRule.ORDER] + self.sent[LaneRule.READ])
        for times, limit in (
            (ordinary, self.limits.ordinary),
            (self.sent[LaneRule.HISTORY], self.limits.historical),
        ):
            assert limit is not None
            assert worst_second(times, jitter=MARGIN * 0.999) <= limit

    @invariant()
    def the_view_counts_what_waits(self) -> None:
        view = self.queue.view(self.now)
        counted = [turn for kind in self.waiting.values() if (turn := self.where[kind])]
        history = counted.count(LaneRule.HISTORY)
        assert view.historical.queued == history
        assert view.ordinary.queued == len(counted) - history - counted.count(LaneRule.UNCOUNTED)
        assert view.ordinary.left is not None
        assert 0 <= view.ordinary.left <= (self.limits.ordinary or 0)


TestTraffic = Traffic.TestCase
