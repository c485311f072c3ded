"""When to try again: the row of failures that pauses grow with, and what ends it."""

from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.protocol.backoff import BackoffState, Reconnect

RULE = Reconnect(first=0.5, ceiling=30.0)


def test_the_first_loss_costs_the_least() -> None:
    backoff_state = BackoffState(RULE)
    backoff_state.lost(100.0)
    assert backoff_state.pause(1.0) == 0.5


def test_what_is_lost_as_soon_as_it_is_back_is_a_failure() -> None:
    backoff_state = BackoffState(RULE)
    pauses = []
    for second in range(8):
        backoff_state.stands(float(second))
        backoff_state.lost(second + 0.01)
        pauses.append(backoff_state.pause(1.0))
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_what_stood_for_the_ceiling_ends_the_row() -> None:
    backoff_state = BackoffState(RULE)
    for second in range(5):
        backoff_state.stands(float(second))
        backoff_state.lost(second + 0.5)
    assert backoff_state.pause(1.0) == 16
    backoff_state.stands(7.0)
    backoff_state.lost(36.9)
    assert backoff_state.pause(1.0) == 30
    backoff_state.stands(40.0)
    backoff_state.lost(70.0)
    assert backoff_state.pause(1.0) == 0.5


def test_an_attempt_that_succeeds_ends_a_row_of_failures() -> None:
    backoff_state = BackoffState(RULE)
    for _ in range(5):
        backoff_state.failed()
    assert backoff_state.pause(1.0) == 16
    backoff_state.stands(7.0)
    assert backoff_state.pause(1.0) == 0.5


def test_quick_losses_may_count_only_so_often() -> None:
    backoff_state = BackoffState(RULE, quick=1)
    for second in range(5):
        backoff_state.stands(float(second))
        backoff_state.lost(second + 0.01)
        assert backoff_state.pause(1.0) == 1
    backoff_state.failed()
    assert backoff_state.pause(1.0) == 1
    backoff_state.failed()
    assert backoff_state.pause(1.0) == 2


@given(st.lists(st.floats(0, 29.9), min_size=30))
def test_a_server_that_always_cuts_too_soon_sees_one_attempt_in_half_a_minute(
    stood: list[float],
) -> None:
    """However long each one stands: with even chances the pauses are 15 seconds in the end."""
    backoff_state, now = BackoffState(RULE), 0.0
    for seconds in stood:
        backoff_state.stands(now)
        now += seconds
        backoff_state.lost(now)
        now += backoff_state.pause(0.5)
    assert now >= 15 * (len(stood) - 6)
