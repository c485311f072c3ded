"""`from mockserver import …`, and the client that is logged in."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import mockserver
from ctrader_typed import OutcomeUnknown, ServerError
from mockserver import HEDGED, NETTED, VIEW_TOKEN, Box, Fault, Plan, logged_in_client
from mockserver.faults.effects import HangUp


@pytest.mark.parametrize("name", mockserver.__all__)
def test_public_name_is_the_one_of_its_module(name: str) -> None:
    value = getattr(mockserver, name)
    assert value is not None
    if not isinstance(value, int | str):
        assert value.__name__ == name
        assert value.__module__.startswith("mockserver.")
        assert inspect.getdoc(value)


def test_dir_shows_public_names_only() -> None:
    assert dir(mockserver) == sorted(mockserver.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Bx'"):
        _ = mockserver.Bx  # type: ignore[attr-defined]


def test_import_of_the_package_loads_neither_trio_nor_messages() -> None:
    program = "import sys, mockserver; print({'trio', 'ctrader_typed'} & set(sys.modules))"
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "set()\n"


@pytest.mark.parametrize(
    "line",
    ["from mockserver.box import Box", "from mockserver import box, Box", "import mockserver"],
)
def test_names_and_modules_may_be_imported_in_any_order(line: str) -> None:
    program = (
        f"{line}\nfrom mockserver import Box, mock_server\nfrom mockserver import box\n"
        "print(Box is box.Box)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "True\n"


async def test_client_is_logged_in_to_the_hedged_account(autojump_clock) -> None:
    async with logged_in_client() as api:
        trader = await api.trader(ctid_trader_account_id=HEDGED)
    assert trader.trader.ctid_trader_account_id == HEDGED


async def test_another_account_and_the_box_are_taken(autojump_clock) -> None:
    box = Box(seed=7)
    async with logged_in_client(box, account_id=NETTED) as api:
        account = await api.account(NETTED)
        order = await account.buy("EURUSD", lots="0.01")
        await order.filled()
    assert [len(each.positions) for each in box.broker.accounts.values()] == [0, 1, 0, 0]


async def test_view_token_may_not_trade(autojump_clock) -> None:
    async with logged_in_client(access_token=VIEW_TOKEN) as api:
        account = await api.account(HEDGED)
        with pytest.raises(ServerError):
            await account.buy("EURUSD", lots="0.01")


async def test_unknown_account_is_refused(autojump_clock) -> None:
    with pytest.raises(ServerError):
        async with logged_in_client(account_id=1):
            pass


async def test_lost_connection_is_replaced(autojump_clock) -> None:
    faults = Plan([Fault(HangUp(), message="ProtoOAExecutionEvent", fields={"executionType": 3})])
    async with logged_in_client(faults=faults) as api:
        account = await api.account(HEDGED)
        order = await account.buy("EURUSD", lots="0.01")
        with pytest.raises(OutcomeUnknown) as unknown:
            await order.filled()
        assert (await unknown.value.order.resolved()).name == "FILLED"


async def test_misspelt_keyword_names_the_nearest() -> None:
    with pytest.raises(TypeError, match="Did you mean 'faults'"):
        logged_in_client(fault=Plan())  # type: ignore[call-arg]
