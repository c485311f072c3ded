"""Whether an amendment is in force, by what the server shows."""

from typing import Any

import pytest

from ctrader_typed import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAOrderTriggerMethod,
)
from ctrader_typed.orders.amendment_check import amended, protected
from tests.support.trading import ACCOUNT, LIMIT, order, position


def amend(**fields: Any) -> ProtoOAAmendOrderReq:
    return ProtoOAAmendOrderReq(ctid_trader_account_id=ACCOUNT, order_id=7, **fields)


def protect(**fields: Any) -> ProtoOAAmendPositionSLTPReq:
    return ProtoOAAmendPositionSLTPReq(ctid_trader_account_id=ACCOUNT, position_id=5, **fields)


TERMS = [
    ({"limit_price": 1.25}, {"limit_price": 1.25}),
    ({"stop_price": 1.25}, {"stop_price": 1.25}),
    ({"volume": 300}, {"volume": 300}),
    ({"expiration_timestamp": 5}, {"expiration_timestamp": 5}),
    ({"slippage_in_points": 5}, {"slippage_in_points": 5}),
    ({"relative_stop_loss": 5}, {"relative_stop_loss": 5}),
    ({"relative_take_profit": 5}, {"relative_take_profit": 5}),
    ({"trailing_stop_loss": True}, {"trailing_stop_loss": True}),
    (
        {"stop_trigger_method": ProtoOAOrderTriggerMethod.OPPOSITE},
        {"stop_trigger_method": ProtoOAOrderTriggerMethod.OPPOSITE},
    ),
    ({"stop_loss": 1.24}, {"stop_loss": 1.24}),
    ({"take_profit": 1.26}, {"take_profit": 1.26}),
    # A price that is kept as a distance from the order's own.
    ({"stop_loss": 1.24}, {"limit_price": 1.25, "relative_stop_loss": 1000}),
    ({"take_profit": 1.26}, {"stop_price": 1.25, "relative_take_profit": 1000}),
]


@pytest.mark.parametrize(("asked", "shown"), TERMS)
def test_a_term_that_is_shown_is_in_force_and_else_it_is_not(
    asked: dict[str, Any], shown: dict[str, Any]
) -> None:
    assert amended(amend(**asked), order(order_type=LIMIT, **shown))
    assert not amended(amend(**asked), order(order_type=LIMIT))
    more = {"volume": 999, "limit_price": 9.9} | asked
    assert not amended(amend(**more), order(order_type=LIMIT, **shown))


def test_a_guaranteed_stop_loss() -> None:
    shown = order(order_type=LIMIT)
    shown.trade_data.guaranteed_stop_loss = True
    assert amended(amend(guaranteed_stop_loss=True), shown)
    assert not amended(amend(guaranteed_stop_loss=False), shown)


def test_a_distance_that_is_another() -> None:
    shown = order(order_type=LIMIT, limit_price=1.25, relative_stop_loss=999)
    assert not amended(amend(stop_loss=1.24), shown)


@pytest.mark.parametrize("level", ["stop_loss", "take_profit"])
@pytest.mark.parametrize("kept", [1.24, 1000])
def test_a_level_that_is_left_out_is_to_be_gone(level: str, kept: float) -> None:
    """What a price or a distance shows to be there still was not removed."""
    name = level if isinstance(kept, float) else f"relative_{level}"
    there: dict[str, Any] = {name: kept}
    assert amended(amend(limit_price=1.25), order(order_type=LIMIT, limit_price=1.25))
    assert not amended(amend(limit_price=1.25), order(order_type=LIMIT, limit_price=1.25, **there))


def test_what_asks_for_nothing_is_in_force_nowhere() -> None:
    assert not amended(amend(), order(order_type=LIMIT))


LEVELS = [
    ({}, {}, True),
    ({"stop_loss": 1.0}, {"stop_loss": 1.0}, True),
    ({"stop_loss": 1.0}, {"stop_loss": 1.1}, False),
    ({"stop_loss": 1.0}, {"stop_loss": 1.0, "take_profit": 2.0}, False),  # it was to be removed
    ({"stop_loss": 1.0, "take_profit": 2.0}, {"stop_loss": 1.0, "take_profit": 2.0}, True),
    ({}, {"stop_loss": 1.0}, False),
    ({"stop_loss": 1.0}, {"stop_loss": 1.0, "trailing_stop_loss": True}, True),
    (
        {"stop_loss": 1.0, "trailing_stop_loss": False},
        {"stop_loss": 1.0, "trailing_stop_loss": True},
        False,
    ),
    (
        {"stop_loss": 1.0, "trailing_stop_loss": True},
        {"stop_loss": 1.0, "trailing_stop_loss": True},
        True,
    ),
]


@pytest.mark.parametrize(("asked", "shown", "so"), LEVELS)
def test_the_levels_of_a_position(asked: dict[str, Any], shown: dict[str, Any], so: bool) -> None:
    assert protected(protect(**asked), position(**shown)) is so
