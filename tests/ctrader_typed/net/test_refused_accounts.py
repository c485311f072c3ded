"""One account of several that is refused: the others are authorised, and kept so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from ctrader_typed import AuthError, ProtoOASpotEvent, Reconnect, ServerError, connect_over
from ctrader_typed.tokens import FileTokenStore, Tokens, save_tokens
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, NETTED, REFRESH_TOKEN
from mockserver.composition import mock_server
from mockserver.faults.effects import Refuse
from mockserver.faults.plan import Fault, Plan
from tests.support.accounts import KEYS, still_box

FAST = Reconnect(first=0.1, ceiling=0.2)
EURUSD = 1


def refusing(account: int, code: str) -> Fault:
    fields = {"ctidTraderAccountId": account}
    return Fault(Refuse(code), message="ProtoOAAccountAuthReq", fields=fields, times=None)


@pytest.mark.parametrize("code", ["RET_ACCOUNT_DISABLED", "CANT_ROUTE_REQUEST", "NEW"])
async def test_all_accounts_are_tried_and_the_refusal_raised_at_the_end(
    code: str, autojump_clock: Any
) -> None:
    box = still_box()
    async with (
        mock_server(box, port=None, faults=Plan([refusing(HEDGED, code)])) as server,
        connect_over(server.memory_client()) as api,
    ):
        with pytest.raises(ServerError) as caught:
            await api.auth(**KEYS, account_id=[HEDGED, NETTED])
        assert caught.value.code == code
        other = await api.account(NETTED)
        await (await other.buy("EURUSD", lots="0.01")).filled()


async def test_several_refusals_are_in_the_notes_of_the_first(autojump_clock: Any) -> None:
    faults = Plan([refusing(HEDGED, "RET_ACCOUNT_DISABLED"), refusing(NETTED, "NEW")])
    async with (
        mock_server(still_box(), port=None, faults=faults) as server,
        connect_over(server.memory_client()) as api,
    ):
        with pytest.raises(AuthError, match="RET_ACCOUNT_DISABLED") as caught:
            await api.auth(**KEYS, account_id=[HEDGED, NETTED])
        assert any("NEW" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("cut", [False, True], ids=["standing", "reconnect"])
async def test_kept_tokens_give_up_a_refused_account_and_keep_the_others(
    cut: bool, tmp_path: Path, autojump_clock: Any
) -> None:
    box, faults, links = still_box(), Plan(), list[Any]()
    store = FileTokenStore(tmp_path / "tokens")
    async with mock_server(box, port=None, faults=faults) as server:

        async def dial() -> trio.abc.Stream:
            links.append(server.memory_client())
            return links[-1]

        async with connect_over(dial, reconnect=FAST) as api:
            await save_tokens(store, Tokens(ACCESS_TOKEN, REFRESH_TOKEN, 0.0, 4e9))
            await api.auth(
                client_id=CLIENT_ID,
                client_secret=CLIENT_SECRET,
                tokens=store,
                account_id=[HEDGED, NETTED],
            )
            mine, other = await api.account(HEDGED), await api.account(NETTED)
            async with api.events(ProtoOASpotEvent, account=HEDGED) as raw, mine.changes() as news:
                faults.add(refusing(HEDGED, "RET_ACCOUNT_DISABLED"))
                for again in (cut, True):  # the second time the refusal is none of the keeper's
                    if again:
                        await trio.aclose_forcefully(links[-1])
                    else:
                        box.drop_account(HEDGED)
                    for doing in (raw.__anext__, news.receive):
                        with trio.fail_after(90), pytest.raises(AuthError, match="DISABLED"):
                            await for_ever(doing)
                    await trio.sleep(100)
                await other.settled()
                await (await other.buy("EURUSD", lots="0.01")).filled()


async def for_ever(doing: Any) -> None:
    while True:
        await doing()
