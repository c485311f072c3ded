"""A trading session in half a minute: log in, watch quotes, buy, see the position and the chart.

The server is the mock server, in a process of its own, over TLS that is verified. Everything else
is what a program for the real one looks like: `connect("demo")` instead of the address is the only
change. Run it with `make demo`.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import trio

from ctrader_typed import (
    Api,
    Gap,
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOASymbol,
    ProtoOATradeSide,
    ProtoOATrendbar,
    ProtoOATrendbarPeriod,
    connect,
)

HERE = Path(__file__).parent
T = TypeVar("T")

ACCOUNT = 1_000_001
WATCHED = ("EURUSD", "GBPUSD", "XAUUSD")
WATCH_SECONDS = 5

PRICE_SCALE = 100_000  # prices in spots, bars and distances are integers in 1/100000
VOLUME_SCALE = 100  # volumes are integers in 1/100 of a unit


def present(value: T | None) -> T:
    """A field that the schema lets a server leave out, and that this demo cannot do without."""
    if value is None:
        raise ValueError("the server left out a field that it always sends")
    return value


def say(text: str = "") -> None:
    """Print at once, whatever standard output is connected to."""
    print(text, flush=True)


def headline(text: str) -> None:
    """What comes next."""
    say(f"\n── {text} " + "─" * max(0, 72 - len(text)))


@dataclass(frozen=True)
class Server:
    """Where the mock server listens, and how to trust it."""

    host: str
    port: int
    trust: ssl.SSLContext


@contextmanager
def mock_server() -> Generator[Server]:
    """The mock server in its own process; the demo fails if the server saw anything amiss."""
    with tempfile.TemporaryDirectory() as folder:
        ca = str(Path(folder) / "ca.pem")
        command = [
            *(sys.executable, "-m", "mockserver", "--session", str(HERE / "demo.session.jsonl")),
            *("--port", "0", "--ca", ca, "--speed", "real"),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=HERE.parent) as process:
            assert process.stdout is not None
            try:
                ready = process.stdout.readline()
                if not ready:
                    sys.exit("The mock server did not start; what it said stands above.")
                where = json.loads(ready)
                trust = ssl.create_default_context(cafile=ca)
                yield Server(where["host"], where["port"], trust)
                status = process.wait(timeout=10)
            finally:
                process.kill()
        if status != 0:
            sys.exit("The mock server did not see the session that it expected.")


# --- what is shown ---


def price(symbol: ProtoOASymbol, value: float) -> str:
    """A price with the symbol's own number of digits."""
    return f"{value:.{symbol.digits}f}"


class Quotes:
    """The last bid and ask of each symbol: events carry only the side that changed."""

    def __init__(self, symbols: dict[int, tuple[str, ProtoOASymbol]]) -> None:
        self._symbols = symbols
        self._last: dict[int, tuple[int, int]] = {}

    def update(self, spot: ProtoOASpotEvent) -> str:
        """Take in an event; returns the line that shows the quote, with what moved marked."""
        name, symbol = self._symbols[spot.symbol_id]
        old_bid, old_ask = self._last.get(spot.symbol_id, (0, 0))
        bid = old_bid if spot.bid is None else spot.bid
        ask = old_ask if spot.ask is None else spot.ask
        self._last[spot.symbol_id] = (bid, ask)
        spread = (ask - bid) / PRICE_SCALE * 10**symbol.pip_position
        return (
            f"  {name}   {_moved(old_bid, bid)} {price(symbol, bid / PRICE_SCALE):>9}"
            f"   {_moved(old_ask, ask)} {price(symbol, ask / PRICE_SCALE):>9}"
            f"   spread {spread:4.1f} pips"
        )


def _moved(old: int, new: int) -> str:
    if old in (0, new):
        return " "
    return "▲" if new > old else "▼"


def chart(symbol: ProtoOASymbol, bars: list[ProtoOATrendbar]) -> None:
    """The closes as a line of blocks, and the last bars in figures."""
    closes = [present(bar.low) + present(bar.delta_close) for bar in bars]
    low, high = min(closes), max(closes)
    blocks = "▁▂▃▄▅▆▇█"
    line = "".join(blocks[(close - low) * 7 // max(1, high - low)] for close in closes)
    say(f"  {line}   {price(symbol, low / PRICE_SCALE)} … {price(symbol, high / PRICE_SCALE)}\n")
    say("  minute      open      high       low     close   ticks")
    for bar in bars[-5:]:
        base = present(bar.low)
        minute = present(bar.utc_timestamp_in_minutes) % 1440
        open_, top, close = (
            price(symbol, (base + present(delta)) / PRICE_SCALE)
            for delta in (bar.delta_open, bar.delta_high, bar.delta_close)
        )
        bottom = price(symbol, base / PRICE_SCALE)
        say(
            f"  {minute // 60:02}:{minute % 60:02}  {open_:>9} {top:>9} {bottom:>9} {close:>9}"
            f"   {bar.volume:5}"
        )


# --- what is done ---


async def load_symbols(api: Api) -> dict[int, tuple[str, ProtoOASymbol]]:
    """The watched symbols with their specifications, by id."""
    listed = await api.symbols_list(ctid_trader_account_id=ACCOUNT)
    say(f"  {len(listed.symbol)} symbols: {', '.join(str(s.symbol_name) for s in listed.symbol)}")
    names = {s.symbol_id: str(s.symbol_name) for s in listed.symbol if s.symbol_name in WATCHED}
    details = await api.symbol_by_id(ctid_trader_account_id=ACCOUNT, symbol_id=list(names))
    return {symbol.symbol_id: (names[symbol.symbol_id], symbol) for symbol in details.symbol}


async def watch(api: Api, symbols: dict[int, tuple[str, ProtoOASymbol]]) -> None:
    """Live quotes for a few seconds."""
    quotes = Quotes(symbols)
    async with api.events(ProtoOASpotEvent) as spots:
        await api.subscribe_spots(ctid_trader_account_id=ACCOUNT, symbol_id=list(symbols))
        with trio.move_on_after(WATCH_SECONDS):
            async for spot in spots:
                if not isinstance(spot, Gap):
                    say(quotes.update(spot))


async def buy(api: Api, symbol: ProtoOASymbol) -> ProtoOADeal:
    """A market order for the smallest volume, protected on both sides; returns its deal."""
    async with api.events(ProtoOAExecutionEvent) as executions:
        await api.new_order(
            ctid_trader_account_id=ACCOUNT,
            symbol_id=symbol.symbol_id,
            order_type=ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.BUY,
            volume=present(symbol.min_volume),
            relative_stop_loss=200,  # 20 pips of a five-digit symbol
            relative_take_profit=400,
            client_order_id="demo-1",
        )
        async for event in executions:
            if isinstance(event, Gap):
                continue
            say(f"  {event.execution_type}{'  (by the server)' if event.is_server_event else ''}")
            if event.execution_type is ProtoOAExecutionType.ORDER_FILLED and event.deal is not None:
                return event.deal
    raise AssertionError("the stream of executions cannot end before the link does")


async def show_position(api: Api, symbol: ProtoOASymbol) -> None:
    """What the account holds now."""
    state = await api.reconcile(ctid_trader_account_id=ACCOUNT)
    for position in state.position:
        trade = position.trade_data
        money = 10 ** present(position.money_digits)
        units = trade.volume / VOLUME_SCALE
        say(
            f"  position {position.position_id}: {trade.trade_side} {units:,.0f} units"
            f" at {price(symbol, present(position.price))}"
        )
        say(
            f"  stop loss {price(symbol, present(position.stop_loss))}"
            f"   take profit {price(symbol, present(position.take_profit))}"
            f"   margin {present(position.used_margin) / money:.2f}"
            f"   commission {present(position.commission) / money:.2f}"
        )


async def trade(server: Server) -> None:
    """The whole session."""
    async with connect(server.host, server.port, ssl_context=server.trust) as api:
        headline(f"connected to {server.host}:{server.port}, certificate verified")
        await api.auth(
            client_id="demo-client",
            client_secret="demo-secret",
            access_token="demo-token",
            account_id=ACCOUNT,
        )
        version = await api.version()
        say(f"  account {ACCOUNT} authorised; the server speaks version {version.version}")

        headline("symbols")
        symbols = await load_symbols(api)

        headline(f"live quotes for {WATCH_SECONDS} seconds")
        await watch(api, symbols)

        headline("buying EURUSD at the market")
        eurusd = next(symbol for name, symbol in symbols.values() if name == "EURUSD")
        deal = await buy(api, eurusd)
        say(
            f"  deal {deal.deal_id}: {deal.filled_volume / VOLUME_SCALE:,.0f} units"
            f" at {price(eurusd, present(deal.execution_price))}"
        )

        headline("the account")
        await show_position(api, eurusd)

        headline("the last hour of EURUSD")
        history = await api.get_trendbars(
            ctid_trader_account_id=ACCOUNT,
            symbol_id=eurusd.symbol_id,
            period=ProtoOATrendbarPeriod.M1,
            count=60,
        )
        chart(eurusd, history.trendbar)
        say()


if __name__ == "__main__":
    with mock_server() as running:
        trio.run(trade, running)
    say('Done. The same program trades on a real demo account: connect("demo") and your own keys.')
