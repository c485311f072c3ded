"""A broker in a market that stands still, and a client's session with it, for tests to drive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderType,
    ProtoOASymbol,
    ProtoOATradeSide,
)
from mockserver.broker.broker import Broker
from mockserver.broker.interface import Outgoing
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.prices import TickList
from mockserver.broker.rules import Liquidity, TradingRules
from mockserver.broker.trading.account import Account, Terms

EURUSD, GBPUSD, USDJPY, EURGBP, GER40, BTCUSD = 1, 2, 4, 9, 279, 324
EUR, USD = 5, 15
LOT = 10_000_000
BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
KIND = ProtoOAExecutionType
MARKET, LIMIT, STOP = ProtoOAOrderType.MARKET, ProtoOAOrderType.LIMIT, ProtoOAOrderType.STOP
STOP_LIMIT, MARKET_RANGE = ProtoOAOrderType.STOP_LIMIT, ProtoOAOrderType.MARKET_RANGE

QUOTES = {
    EURUSD: (108_450, 108_460),
    GBPUSD: (127_000, 127_020),
    USDJPY: (14_900_000, 14_902_000),
    3: (16_160_000, 16_163_000),
    5: (65_500, 65_510),
    6: (88_000, 88_020),
    EURGBP: (85_380, 85_400),
    41: (205_000_000, 205_020_000),
    275: (1_850_000_000, 1_850_100_000),
    276: (520_000_000, 520_050_000),
    GER40: (1_780_000_000, 1_780_100_000),
    BTCUSD: (6_500_000_000, 6_500_100_000),
}
ACCOUNT = 1_000_001


class Session:
    """One client of a broker, connection 1, with an account; time passes only when told to."""

    def __init__(
        self,
        terms: Terms | None = None,
        *,
        deposit: int = 100_000,
        rules: TradingRules | None = None,
        account_id: int = ACCOUNT,
        **broker: Any,
    ) -> None:
        still = TickList.still((number, bid, ask) for number, (bid, ask) in QUOTES.items())
        self.broker = Broker(prices=broker.pop("prices", still), rules=rules, **broker)
        self.account_id = account_id
        self.broker.open_account(account_id, terms, deposit=deposit)
        self.broker.connected(1, 0.0)
        self.now = 0
        self.sent = 0

    @property
    def account(self) -> Account:
        return self.broker.account(self.account_id)

    def send(self, request: Message, *, connection: int = 1) -> list[Outgoing]:
        """What a request is answered with at once; its clientMsgId is m1, m2 and so on."""
        self.sent += 1
        request_id = f"m{self.sent}"
        return list(self.broker.received(connection, request, request_id, self.now / 1000))

    def ask(self, request: Message) -> Message:
        """The one answer to a request."""
        answers = self.send(request)
        assert len(answers) == 1, answers
        assert answers[0].client_msg_id == f"m{self.sent}"
        return answers[0].message

    def wait(self, ms: int = 1000) -> list[Outgoing]:
        """What comes within a time."""
        self.now += ms
        return list(self.broker.wake(self.now / 1000))

    def do(self, request: Message, ms: int = 1000) -> list[Outgoing]:
        """What a request leads to within a time."""
        return [*self.send(request), *self.wait(ms)]

    def order(self, **fields: Any) -> ProtoOANewOrderReq:
        """A request: buy 0.1 lot of EURUSD at the market unless told otherwise."""
        given: dict[str, Any] = {
            "ctid_trader_account_id": self.account_id,
            "symbol_id": EURUSD,
            "order_type": MARKET,
            "trade_side": BUY,
            "volume": LOT // 10,
        }
        return ProtoOANewOrderReq(**(given | fields))

    def opened(self, **fields: Any) -> int:
        """Place an order, let it fill and be protected, and return the position's id."""
        events = executions(self.do(self.order(**fields)))
        assert events[1].execution_type == KIND.ORDER_FILLED, events
        assert events[1].position is not None
        return events[1].position.position_id

    def price(self, symbol: int, bid: int, ask: int | None = None) -> list[Outgoing]:
        """Set a price in 1/100000 and return what that sets off at once."""
        ask_double = None if ask is None else ask / 100_000
        self.broker.set_price(symbol, bid / 100_000, ask_double)
        return self.wait(0)

    def change(self, symbol_id: int, **fields: Any) -> ProtoOASymbol:
        """Change a symbol's specification."""
        symbol = self.broker.catalogue.symbol(symbol_id).__replace__(**fields)
        self.broker.change_symbol(symbol)
        self.wait(0)
        return symbol

    def liquidity(self, symbol: int, **fields: Any) -> None:
        self.broker.set_liquidity(symbol, Liquidity(**fields))


def executions(outgoing: Iterable[Outgoing]) -> list[ProtoOAExecutionEvent]:
    """The execution events among what was sent."""
    return [o.message for o in outgoing if isinstance(o.message, ProtoOAExecutionEvent)]


def kinds(outgoing: Iterable[Outgoing]) -> list[str]:
    """The names of the execution events among what was sent, `*` marking server events."""
    return [
        f"{event.execution_type}{'*' if event.is_server_event else ''}"
        for event in executions(outgoing)
    ]


def error(outgoing: Iterable[Outgoing]) -> tuple[str, str | None]:
    """Code and text of the one error that was sent."""
    (sent,) = list(outgoing)
    assert isinstance(sent.message, ProtoOAErrorRes | ProtoOAOrderErrorEvent), sent
    return sent.message.error_code, sent.message.description


def still_market(**quotes: tuple[int, int]) -> TickList:
    """A market that stands still at these quotes, by symbol name."""
    catalogue = Instruments.standard()
    return TickList.still((catalogue.id_of(n), bid, ask) for n, (bid, ask) in quotes.items())
