"""A market at a known moment, and how to ask it: Friday 2026-09-18 18:45 UTC, when the quotes were
recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed.message import Message
from ctrader_typed.proto import SCHEMA, ProtoOAErrorRes
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.market_requests import MarketRequests
from mockserver.broker.market.prices import PriceSource, Tick, TickList
from mockserver.broker.market.quotes import Market
from mockserver.broker.market.random_prices import RandomPrices
from mockserver.broker.rules import MarketRules
from mockserver.recordings.session_file import Session, load_session

NOW = 1_789_757_115_211
ACCOUNT = 1_000_001


class Desk:
    """A market side and one client of it."""

    def __init__(
        self, source: PriceSource | None = None, now: int = NOW, **market_rules: Any
    ) -> None:
        self.catalogue = Instruments.standard()
        self.source = RandomPrices(self.catalogue, 7) if source is None else source
        self.market = Market(self.catalogue, self.source, now)
        self.data = MarketRequests(self.market, MarketRules(**market_rules))

    def ask(self, request: Message, connection: int = 1) -> list[Any]:
        """The messages that a request brings, the response first."""
        answers = self.data.received(connection, request, "id")
        assert answers is not None
        assert [a.client_msg_id for a in answers] == ["id", *[None] * (len(answers) - 1)]
        assert {a.connection for a in answers} == {connection}
        return [a.message for a in answers]

    def refused(self, request: Message) -> tuple[str, str | None]:
        """The code and the text of a refusal."""
        (error,) = self.ask(request)
        assert isinstance(error, ProtoOAErrorRes)
        return error.error_code, error.description

    def wait(self, ms: int) -> list[Any]:
        """The events of so many ms."""
        ticks = self.market.advance(self.market.now_ms + ms)
        return [o.message for o in self.data.on_ticks(ticks)]


@pytest.fixture
def state() -> Callable[..., Desk]:
    """Makes a desk: `desk(source, now=…, quirk=…)`."""
    return Desk


@pytest.fixture
def catalogue() -> Instruments:
    return Instruments.standard()


@pytest.fixture
def tick_list() -> Callable[[Iterable[tuple[int, int | None, int | None]]], TickList]:
    """EURUSD ticks from (ms after NOW, bid, ask)."""
    return lambda rows: TickList(Tick(1, NOW + after, bid, ask) for after, bid, ask in rows)


@pytest.fixture(scope="session")
def recorded_market(recordings: Path) -> Session:
    """The recorded market data session."""
    return load_session(recordings / "market_data.jsonl", SCHEMA)
