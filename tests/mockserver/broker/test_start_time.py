"""When a simulated broker's clock starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from mockserver.box import HEDGED, LIVE, Box
from mockserver.broker import start_time
from mockserver.broker.broker import Broker
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.start_time import START, start_ms
from mockserver.threaded import ThreadedServer

CATALOGUE = Instruments.standard()
TUESDAY = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


def at(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (None, START),
        (TUESDAY, at(TUESDAY)),
        ("2026-12-01T09:30Z", at(TUESDAY)),
        ("2026-12-01T10:30+01:00", at(TUESDAY)),
        (TUESDAY.astimezone(timezone(timedelta(hours=-5))), at(TUESDAY)),
        (at(TUESDAY), at(TUESDAY)),
        ("2026-11-28T12:00Z", at(datetime(2026, 11, 28, 12, tzinfo=UTC))),  # a Saturday, as named
    ],
)
def test_a_named_start_is_taken_as_it_is(start: Any, expected: int) -> None:
    assert start_ms(start, CATALOGUE) == expected
    assert Box(start=start).broker.now_ms == expected


def monkey_clock(patch: pytest.MonkeyPatch, now: str) -> int:
    moment = at(datetime.fromisoformat(now))
    patch.setattr(start_time.time, "time_ns", lambda: moment * 1_000_000)
    return moment


def test_now_in_an_open_market_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = monkey_clock(monkeypatch, "2026-12-01T09:30Z")
    assert start_ms("now", CATALOGUE) == moment


@pytest.mark.parametrize(
    "now",
    ["2026-11-28T12:00Z", "2026-11-29T20:00Z", "2026-07-18T12:00Z", "2026-12-25T12:00Z"],
    ids=["saturday", "sunday", "summer", "christmas"],
)
def test_now_in_a_closed_market_is_the_last_open_minute(
    now: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = monkey_clock(monkeypatch, now)
    found, eurusd = start_ms("now", CATALOGUE), CATALOGUE.id_of("EURUSD")
    later = range(found + 60_000, moment, 60_000)
    assert found % 60_000 == 0
    assert CATALOGUE.is_open(eurusd, found)
    assert not any(CATALOGUE.is_open(eurusd, minute) for minute in later)


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (
            "yesterday",
            "expected now or an ISO 8601 time such as 2026-03-02T09:00Z, got 'yesterday'",
        ),
        ("2026-12-01T09:30", "expected a time with its zone"),
        (datetime(2026, 12, 1), "expected a time with its zone"),  # noqa: DTZ001 - that is refused
        (1_772_442_000, "expected a start from 2015-01-02 to 2099-12-31, in ms since 1970"),
    ],
)
def test_what_is_no_start_is_refused(start: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        start_ms(start, CATALOGUE)


def test_a_broker_of_ones_own_has_its_own_start() -> None:
    with pytest.raises(TypeError, match="start_ms"):
        Box(Broker(), start="now")


@pytest.mark.mock_ctrader(start="2026-07-01T12:00Z")
def test_the_mark_takes_a_start(mock_ctrader: ThreadedServer) -> None:
    passed = mock_ctrader.broker.now_ms - at(datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert 0 <= passed < 60_000


def test_accounts_have_the_name_of_a_broker() -> None:
    accounts = Box().broker.accounts
    assert accounts[LIVE].trader().broker_name == "Mock Broker Live"
    account = accounts[HEDGED]
    assert account.trader().broker_name == "Mock Broker Demo"
    assert account.listed().broker_title_short == "Demo"
