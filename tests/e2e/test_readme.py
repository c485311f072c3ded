"""The README's programs, run as they stand, and its commands."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from mockserver import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FIRST, DEMO, PANDAS, TRADER, HISTORY, OFFLINE, CONNECT, TRADE, MESSAGES = re.findall(
    r"```python\n(.*?)```", README, re.DOTALL
)
FIRST_SHOWN, PANDAS_SHOWN = re.findall(r"```text\n(.*?)```", README, re.DOTALL)

ACCOUNT = 42

AUTH: list[dict[str, Any]] = [
    {
        "direction": "client",
        "message": "ProtoOAApplicationAuthReq",
        "clientMsgId": "1",
        "payload": {"clientId": "an-id", "clientSecret": "a-secret"},
    },
    {"direction": "server", "message": "ProtoOAApplicationAuthRes", "clientMsgId": "1"},
    {
        "direction": "client",
        "message": "ProtoOAAccountAuthReq",
        "clientMsgId": "2",
        "payload": {"ctidTraderAccountId": ACCOUNT, "accessToken": "a-token"},
    },
    {
        "direction": "server",
        "message": "ProtoOAAccountAuthRes",
        "clientMsgId": "2",
        "payload": {"ctidTraderAccountId": ACCOUNT},
    },
]

QUOTES: list[dict[str, Any]] = [
    {
        "direction": "client",
        "message": "ProtoOASymbolsListReq",
        "clientMsgId": "3",
        "payload": {"ctidTraderAccountId": ACCOUNT},
    },
    {
        "direction": "server",
        "message": "ProtoOASymbolsListRes",
        "clientMsgId": "3",
        "payload": {
            "ctidTraderAccountId": ACCOUNT,
            "symbol": [{"symbolId": 1, "symbolName": "EURUSD"}],
        },
    },
    {
        "direction": "client",
        "message": "ProtoOASubscribeSpotsReq",
        "clientMsgId": "4",
        "payload": {"ctidTraderAccountId": ACCOUNT, "symbolId": [1]},
    },
    {
        "direction": "server",
        "message": "ProtoOASubscribeSpotsRes",
        "clientMsgId": "4",
        "payload": {"ctidTraderAccountId": ACCOUNT},
    },
    {
        "direction": "server",
        "message": "ProtoOASpotEvent",
        "payload": {"ctidTraderAccountId": ACCOUNT, "symbolId": 1, "bid": 108450, "ask": 108452},
    },
]

NEW_ORDER: dict[str, Any] = {
    "direction": "client",
    "message": "ProtoOANewOrderReq",
    "clientMsgId": "5",
    "payload": {
        "ctidTraderAccountId": ACCOUNT,
        "symbolId": 1,
        "orderType": 1,
        "tradeSide": 1,
        "volume": 100_000,
        "clientOrderId": "first",
    },
}


def execution(kind: int, **more: Any) -> dict[str, Any]:
    """An execution event that answers the order."""
    payload = {"ctidTraderAccountId": ACCOUNT, "executionType": kind, **more}
    return {
        "direction": "server",
        "message": "ProtoOAExecutionEvent",
        "clientMsgId": "5",
        "payload": payload,
    }


ORDER = {
    "orderId": 1,
    "tradeData": {"symbolId": 1, "volume": 100_000, "tradeSide": 1},
    "orderType": 1,
    "clientOrderId": "first",
    "positionId": 2,
}

DEAL = {
    "dealId": 3,
    "orderId": 1,
    "positionId": 2,
    "volume": 100_000,
    "filledVolume": 100_000,
    "symbolId": 1,
    "createTimestamp": 1_700_000_000_000,
    "executionTimestamp": 1_700_000_000_130,
    "executionPrice": 1.08452,
    "tradeSide": 1,
    "dealStatus": 2,
}

REFUSAL: dict[str, Any] = {
    "direction": "server",
    "message": "ProtoOAOrderErrorEvent",
    "clientMsgId": "5",
    "payload": {
        "ctidTraderAccountId": ACCOUNT,
        "errorCode": "MARKET_CLOSED",
        "description": "Market is closed",
    },
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CTRADER_CLIENT_ID", "an-id")
    monkeypatch.setenv("CTRADER_CLIENT_SECRET", "a-secret")
    monkeypatch.setenv("CTRADER_ACCESS_TOKEN", "a-token")
    monkeypatch.setenv("CTRADER_ACCOUNT_ID", str(ACCOUNT))


def run(program: str) -> None:
    exec(compile(program, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102 - the point of the test


def with_pandas(program: str) -> str:
    """The program with the lines from bars to pandas at its end."""
    end = "        print(account)\n"
    assert program.count(end) == 1
    return program.replace(end, end + indent(PANDAS, " " * 8))


def test_first_program_is_short_and_prints_what_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_virtual_time = functools.partial(trio.run, clock=MockClock(autojump_threshold=0))
    monkeypatch.setattr(trio, "run", in_virtual_time)
    assert len([line for line in FIRST.splitlines() if line]) <= 12
    run(with_pandas(FIRST))
    assert capsys.readouterr().out == FIRST_SHOWN + PANDAS_SHOWN


def test_first_program_runs_as_a_script_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(FIRST)
    shown = subprocess.run(
        [sys.executable, "-W", "error", "first.py"],
        cwd=tmp_path,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout.splitlines()) == 2


def test_the_same_program_trades_on_the_demo_endpoint(
    serve_as_demo: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CTRADER_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("CTRADER_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("CTRADER_ACCESS_TOKEN", ACCESS_TOKEN)
    monkeypatch.setenv("CTRADER_ACCOUNT_ID", str(HEDGED))
    body = FIRST[FIRST.index("        quote = ") :]
    assert DEMO.endswith(body), "it is no longer the same program"
    with serve_as_demo(Box(seed=7)):
        run(with_pandas(DEMO))
    bought, account, bars = capsys.readouterr().out.splitlines(keepends=True)
    assert re.fullmatch(r"bid 1\.\d+, ask 1\.\d+; bought at 1\.\d+\n", bought)
    assert re.search(r"Account 1000001: balance 10000\.00, equity \d+\.\d\d, 1 pos", account)
    assert bars == PANDAS_SHOWN


@pytest.mark.usefixtures("environment")
def test_connect_ask_listen(play: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with play([*AUTH, *QUOTES]):
        run(CONNECT)
    assert capsys.readouterr().out == ("1 symbols, the first is EURUSD\nbid 1.08450, ask 1.08452\n")


@pytest.mark.usefixtures("environment")
def test_trade(play: Any, capsys: pytest.CaptureFixture[str]) -> None:
    accepted = execution(2, order={**ORDER, "orderStatus": 1})
    filled = execution(3, order={**ORDER, "orderStatus": 2}, deal=DEAL)
    with play([*AUTH, NEW_ORDER, accepted, filled]):
        run(TRADE)
    assert capsys.readouterr().out == "filled at 1.08452 in 1 deal\n"


@pytest.mark.usefixtures("environment")
def test_trade_refused(play: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with play([*AUTH, NEW_ORDER, REFUSAL]):
        run(TRADE)
    assert capsys.readouterr().out == "refused: MARKET_CLOSED, Market is closed\n"


def test_messages() -> None:
    run(MESSAGES)


@pytest.mark.usefixtures("environment")
def test_offline(capsys: pytest.CaptureFixture[str]) -> None:
    run(OFFLINE)
    assert capsys.readouterr().out == ("ACCEPTED, waiting for the price\nFILLED at 1.08392\n")


@pytest.mark.usefixtures("environment")
def test_trader(capsys: pytest.CaptureFixture[str]) -> None:
    run(TRADER)
    bought, closed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"10000 units at 1\.0845\d, equity 99\d\d\.\d\d", bought)
    assert re.fullmatch(r"0 positions, balance 99\d\d\.\d\d", closed)


@pytest.mark.usefixtures("environment")
def test_prices_and_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(HISTORY)
    quote, bars, *_, highest, stored = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"bid 1\.\d{5}, ask 1\.\d{5}, spread 0\.000\d\d", quote)
    assert bars == "Bars: 1,430 of M1, symbol 1, bid, UTC"
    assert re.fullmatch(r"the highest was 1\.\d{5}", highest)
    assert stored == "525 hours are in the folder history"
    assert list(Path("history").rglob("*.parquet"))


def test_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_make_knows_the_targets() -> None:
    help_text = subprocess.run(
        ["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True
    ).stdout
    for target in re.findall(r"\bmake ([a-z]+)\b", README):
        assert target == "help" or f"make {target}" in help_text


def test_the_demo_runs_as_it_is() -> None:
    result = subprocess.run(
        [sys.executable, "examples/demo.py"],
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for sign in ("certificate verified", "EURUSD", "ORDER_FILLED", "stop loss", "█"):
        assert sign in result.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
