"""The pulse of a link, second by second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.protocol.keepalive import Keepalive, KeepaliveAction


def run(
    keepalive: Keepalive, until: float, heard: tuple[float, ...] = ()
) -> list[tuple[float, KeepaliveAction]]:
    """What is due and when, if bytes come in at the times in `heard`."""
    beats: list[tuple[float, KeepaliveAction]] = []
    news = list(heard)
    while (now := keepalive.wake_at()) <= until:
        if news and news[0] <= now:
            keepalive.heard(news.pop(0))
            continue
        beat = keepalive.due(now)
        if beat is not None:
            beats.append((now, beat))
        if beat is KeepaliveAction.SILENT:
            break
    return beats


def test_heartbeats_leave_at_the_interval_whatever_is_heard() -> None:
    heard = tuple(float(second) for second in range(1, 60))
    beats = run(Keepalive(0, 9, 30), 60, heard)
    assert beats == [(9.0 * n, KeepaliveAction.HEARTBEAT) for n in range(1, 7)]


def test_after_two_thirds_of_the_limit_it_asks_and_at_the_limit_it_gives_up() -> None:
    beats = run(Keepalive(100, 60, 30), 200)
    assert beats == [(120, KeepaliveAction.ASK), (130, KeepaliveAction.SILENT)]


def test_an_answer_to_the_question_keeps_the_link() -> None:
    beats = run(Keepalive(0, 100, 30), 60, heard=(20.5,))
    assert beats == [
        (20, KeepaliveAction.ASK),
        (40.5, KeepaliveAction.ASK),
        (50.5, KeepaliveAction.SILENT),
    ]


def test_a_server_that_is_heard_every_25_seconds_is_asked_in_between_and_kept() -> None:
    heard = tuple(25.0 * n for n in range(1, 9))
    beats = run(Keepalive(0, 1000, 30), 200, heard)
    assert {beat for _, beat in beats} == {KeepaliveAction.ASK}


def test_a_program_that_was_held_up_asks_before_it_gives_up() -> None:
    keepalive = Keepalive(0, 1000, 30)
    assert keepalive.due(500) is KeepaliveAction.ASK
    assert keepalive.due(509) is None
    assert keepalive.due(510) is KeepaliveAction.SILENT


def test_being_held_up_makes_no_burst_of_heartbeats() -> None:
    keepalive = Keepalive(0, 9, 3000)
    assert keepalive.due(95) is KeepaliveAction.HEARTBEAT
    assert keepalive.due(95) is None
    assert keepalive.wake_at() == 104


def test_nothing_is_due_before_its_time() -> None:
    keepalive = Keepalive(0, 9, 30)
    assert keepalive.due(8.999) is None


@pytest.mark.parametrize(("interval", "limit"), [(0, 30), (-1, 30), (9, 0), (9, -1)])
def test_times_that_make_no_sense(interval: float, limit: float) -> None:
    with pytest.raises(ValueError, match="seconds above 0"):
        Keepalive(0, interval, limit)


@given(st.lists(st.floats(0, 100), max_size=20), st.floats(0.1, 20), st.floats(0.1, 60))
def test_it_never_gives_up_within_the_limit_of_the_last_sign(
    pauses: list[float], interval: float, limit: float
) -> None:
    keepalive = Keepalive(0, interval, limit)
    now = last = 0.0
    for pause in pauses:
        keepalive.heard(last := now)
        until = now + pause
        while (wake := keepalive.wake_at()) < until:
            beat = keepalive.due(now := max(now, wake))
            if beat is KeepaliveAction.SILENT:
                assert now - last >= limit * 0.999999
                return
        now = until
