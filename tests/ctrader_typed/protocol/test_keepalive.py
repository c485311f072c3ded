"""The pulse of a link, second by second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.protocol.keepalive import Beat, Pulse


def run(pulse: Pulse, until: float, heard: tuple[float, ...] = ()) -> list[tuple[float, Beat]]:
    """What is due and when, if bytes come in at the times in `heard`."""
    beats: list[tuple[float, Beat]] = []
    news = list(heard)
    while (now := pulse.wake_at()) <= until:
        if news and news[0] <= now:
            pulse.heard(news.pop(0))
            continue
        beat = pulse.due(now)
        if beat is not None:
            beats.append((now, beat))
        if beat is Beat.SILENT:
            break
    return beats


def test_heartbeats_leave_at_the_interval_whatever_is_heard() -> None:
    heard = tuple(float(second) for second in range(1, 60))
    beats = run(Pulse(0, 9, 30), 60, heard)
    assert beats == [(9.0 * n, Beat.HEARTBEAT) for n in range(1, 7)]


def test_after_two_thirds_of_the_limit_it_asks_and_at_the_limit_it_gives_up() -> None:
    beats = run(Pulse(100, 60, 30), 200)
    assert beats == [(120, Beat.ASK), (130, Beat.SILENT)]


def test_an_answer_to_the_question_keeps_the_link() -> None:
    beats = run(Pulse(0, 100, 30), 60, heard=(20.5,))
    assert beats == [(20, Beat.ASK), (40.5, Beat.ASK), (50.5, Beat.SILENT)]


def test_a_server_that_is_heard_every_25_seconds_is_asked_in_between_and_kept() -> None:
    heard = tuple(25.0 * n for n in range(1, 9))
    beats = run(Pulse(0, 1000, 30), 200, heard)
    assert {beat for _, beat in beats} == {Beat.ASK}


def test_a_program_that_was_held_up_asks_before_it_gives_up() -> None:
    pulse = Pulse(0, 1000, 30)
    assert pulse.due(500) is Beat.ASK
    assert pulse.due(509) is None
    assert pulse.due(510) is Beat.SILENT


def test_being_held_up_makes_no_burst_of_heartbeats() -> None:
    pulse = Pulse(0, 9, 3000)
    assert pulse.due(95) is Beat.HEARTBEAT
    assert pulse.due(95) is None
    assert pulse.wake_at() == 104


def test_nothing_is_due_before_its_time() -> None:
    pulse = Pulse(0, 9, 30)
    assert pulse.due(8.999) is None


@pytest.mark.parametrize(("interval", "limit"), [(0, 30), (-1, 30), (9, 0), (9, -1)])
def test_times_that_make_no_sense(interval: float, limit: float) -> None:
    with pytest.raises(ValueError, match="seconds above 0"):
        Pulse(0, interval, limit)


@given(st.lists(st.floats(0, 100), max_size=20), st.floats(0.1, 20), st.floats(0.1, 60))
def test_it_never_gives_up_within_the_limit_of_the_last_sign(
    pauses: list[float], interval: float, limit: float
) -> None:
    pulse = Pulse(0, interval, limit)
    now = last = 0.0
    for pause in pauses:
        pulse.heard(last := now)
        until = now + pause
        while (wake := pulse.wake_at()) < until:
            beat = pulse.due(now := max(now, wake))
            if beat is Beat.SILENT:
                assert now - last >= limit * 0.999999
                return
        now = until
