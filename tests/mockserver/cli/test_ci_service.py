"""The mock server as a service of a CI run: strict, with variables for clients and given prices."""

from __future__ import annotations

import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed.proto import ProtoOAAssetListReq, ProtoOAVersionReq
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, HEDGED, LIVE, Box, standard_broker
from mockserver.broker.market.prices import Tick, TickList
from mockserver.broker.start_time import START
from mockserver.cli import environment
from mockserver.cli.console import CannotStart
from mockserver.cli.run_server import keys
from mockserver.server.client_rules import Rule, Violation, summary

from .test_cli import MONDAY, SECONDS, Server, refused
from .test_cli import ca as ca  # noqa: PLC0414 - a fixture
from .test_cli import serve as serve  # noqa: PLC0414 - a fixture
from .test_cli import session as session  # noqa: PLC0414 - a fixture

Serve = Callable[..., Server]


def stopped(server: Server) -> tuple[int, str]:
    server.process.send_signal(signal.SIGTERM)
    return server.end()


# --- --strict -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "expected"), [(["--strict"], 1), ([], 0)])
def test_broken_rules_are_a_line_a_rule_and_with_strict_status_1(
    options: list[str], expected: int, serve: Serve, ca: str
) -> None:
    server = serve("--broker", *options, *MONDAY, "--ca", ca)
    server.ready()
    with server.client() as client:
        for _ in range(3):
            client.ask(ProtoOAAssetListReq(ctid_trader_account_id=1))
    status, said = stopped(server)
    assert status == expected
    assert said.startswith("mockserver: broken 3 times: the application logs in first")
    assert said.count("\n") == 1


def test_strict_ends_with_0_when_no_rule_was_broken(serve: Serve, ca: str) -> None:
    server = serve("--broker", "--strict", *MONDAY, "--ca", ca)
    server.ready()
    with server.client() as client:
        client.ask(ProtoOAVersionReq())
    assert stopped(server) == (0, "")


def test_a_summary_has_a_line_for_each_rule_with_its_count_and_first_case() -> None:
    violations = [
        Violation(Rule.RATE, 2, 1.5, "one too many"),
        Violation(Rule.ORDER_ID, 1, 2.0, "clientOrderId 'x' again"),
        *[Violation(Rule.RATE, 3, 3.0, "another")] * 300,
    ]
    assert "\n".join(summary(violations)) == (
        "broken 301 times: at most 50 requests a second, 5 of them historical; first at 1.500 s "
        "on connection 2: one too many\n"
        "broken once: no clientOrderId twice; first at 2.000 s on connection 1: "
        "clientOrderId 'x' again"
    )


# --- --env ----------------------------------------------------------------------------------------


def sourced(path: Path) -> dict[str, str]:
    """The variables, as sh has them."""
    said = subprocess.run(
        ["/bin/sh", "-c", f"set -a; . {path}; env"],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    pairs = (line.partition("=") for line in said.stdout.splitlines())
    return {name: value for name, _, value in pairs if name.startswith("CTRADER_")}


def test_env_has_what_a_client_needs_for_its_owner_only(
    serve: Serve, tmp_path: Path, ca: str
) -> None:
    path = tmp_path / "mock.env"
    path.write_text("old")
    path.chmod(0o644)
    where = serve("--broker", *MONDAY, "--ca", ca, "--env", str(path)).ready()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert sourced(path) | found == sourced(path)
    assert (found["CTRADER_HOST"], found["CTRADER_PORT"]) == ("127.0.0.1", str(where["port"]))
    assert found["CTRADER_CA"] == str(Path(ca).absolute())
    assert found["CTRADER_CLIENT_ID"] == CLIENT_ID
    assert found["CTRADER_ACCESS_TOKEN"] == ACCESS_TOKEN
    assert found["CTRADER_ACCOUNT_ID"] == str(HEDGED)
    assert list(tmp_path.glob(".mock.env*")) == []


def test_variables_have_each_wire_and_an_account_of_the_endpoint() -> None:
    where: dict[str, Any] = {"host": "::1", "port": 1, "broker": keys(Box())}
    where["wires"] = {"tcp": {"host": "::1", "port": 1}, "json-ws": {"host": "::1", "port": 2}}
    found = environment.variables(where, None, "live")
    assert found["CTRADER_ACCOUNT_ID"] == found["CTRADER_ACCOUNT_IDS"] == str(LIVE)
    assert (found["CTRADER_TCP_PORT"], found["CTRADER_JSON_WS_PORT"]) == ("1", "2")
    assert "CTRADER_CA" not in found


@pytest.mark.parametrize("value", ["a b", "a;b", "$HOME", "a'b", "a\nb", ""])
def test_a_value_that_would_need_quotes_is_refused_by_name(value: str, tmp_path: Path) -> None:
    path = tmp_path / "mock.env"
    with pytest.raises(CannotStart, match="cannot write CTRADER_CA"):
        environment.write(str(path), {"CTRADER_CA": value})
    assert not path.exists()


def test_env_without_a_ca_file_or_in_a_missing_folder_is_refused(tmp_path: Path, ca: str) -> None:
    path = str(tmp_path / "missing" / "mock.env")
    assert "--env needs --ca FILE" in refused("--broker", "--env", path)
    assert f"cannot write {path}" in environment_error(path)


def environment_error(path: str) -> str:
    with pytest.raises(CannotStart) as caught:
        environment.write(path, {"CTRADER_PORT": "1"})
    return str(caught.value)


# --- --prices -------------------------------------------------------------------------------------

CSV = "time,symbol,bid,ask\n2026-03-03T10:00:00Z,EURUSD,1.08450,1.08460\n"


def test_the_prices_of_a_file_are_the_market_from_their_first_on(
    serve: Serve, tmp_path: Path, ca: str
) -> None:
    path = tmp_path / "ticks.csv"
    path.write_text(CSV)
    where = serve("--prices", str(path), "--broker", "--ca", ca).ready()
    assert where["broker"]["clock"] == "2026-03-03T10:00:00Z"


def test_now_moves_the_prices_and_a_time_does_not() -> None:
    ticks = TickList([Tick(1, START - 60_000, 108_450, 108_460)])
    first = standard_broker(prices=ticks)
    kept = standard_broker(start=START, prices=ticks)
    moved = standard_broker(start="now", prices=ticks)
    for broker in (first, kept, moved):
        broker.wake(0.0)
        assert broker.market.quote(1) == (108_450, 108_460)
    assert (first.now_ms, kept.now_ms) == (START - 60_000, START)
    assert moved.now_ms > START


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("t.txt", CSV, "expected a file called .csv or .parquet"),
        ("t.csv", "time,symbol,bid\n", "'ask'] are missing"),
        ("t.csv", "time,symbol,bid,ask\n", "expected at least one tick"),
        ("t.csv", "time,symbol,bid,ask\n1,EURUSD,1,2\n", "expected a start from 2015"),
    ],
)
def test_prices_that_cannot_be_the_market_are_refused(
    name: str, text: str, why: str, tmp_path: Path, ca: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert why in refused("--broker", "--ca", ca, "--prices", str(path))


def test_prices_do_not_go_with_a_session(session: str) -> None:
    assert "--prices: not allowed" in refused("--session", session, "--prices", "t.csv")
