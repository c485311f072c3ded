"""When to try again: the row of failures that pauses grow with, and what ends it."""

from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.protocol.backoff import Reconnect, Unrest

RULE = Reconnect(first=0.5, ceiling=30.0)


def test_the_first_loss_costs_the_least() -> None:
    unrest = Unrest(RULE)
    unrest.lost(100.0)
    assert unrest.pause(1.0) == 0.5


def test_what_is_lost_as_soon_as_it_is_back_is_a_failure() -> None:
    unrest = Unrest(RULE)
    pauses = []
    for second in range(8):
        unrest.stands(float(second))
        unrest.lost(second + 0.01)
        pauses.append(unrest.pause(1.0))
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_what_stood_for_the_ceiling_ends_the_row() -> None:
    unrest = Unrest(RULE)
    for second in range(5):
        unrest.stands(float(second))
        unrest.lost(second + 0.5)
    assert unrest.pause(1.0) == 16
    unrest.stands(7.0)
    unrest.lost(36.9)
    assert unrest.pause(1.0) == 30
    unrest.stands(40.0)
    unrest.lost(70.0)
    assert unrest.pause(1.0) == 0.5


def test_an_attempt_that_succeeds_ends_a_row_of_failures() -> None:
    unrest = Unrest(RULE)
    for _ in range(5):
        unrest.failed()
    assert unrest.pause(1.0) == 16
    unrest.stands(7.0)
    assert unrest.pause(1.0) == 0.5


def test_quick_losses_may_count_only_so_often() -> None:
    unrest = Unrest(RULE, quick=1)
    for second in range(5):
        unrest.stands(float(second))
        unrest.lost(second + 0.01)
        assert unrest.pause(1.0) == 1
    unrest.failed()
    assert unrest.pause(1.0) == 1
    unrest.failed()
    assert unrest.pause(1.0) == 2


@given(st.lists(st.floats(0, 29.9), min_size=30))
def test_a_server_that_always_cuts_too_soon_sees_one_attempt_in_half_a_minute(
    stood: list[float],
) -> None:
    """However long each one stands: with even chances the pauses are 15 seconds in the end."""
    unrest, now = Unrest(RULE), 0.0
    for seconds in stood:
        unrest.stands(now)
        now += seconds
        unrest.lost(now)
        now += unrest.pause(0.5)
    assert now >= 15 * (len(stood) - 6)
