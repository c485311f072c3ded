"""Secrets do not leak: a whole session, its failure at each step in each way, and no canary seen.

Looked at: every log at DEBUG, the wire log included; reprs and texts of what a user holds;
exceptions with their whole chains, as tracebacks print them. Not looked at: the local variables of
frames, which `capture_locals` and debuggers show; there the secrets are, in the caller's as well.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import trio

from ctrader_typed import (
    BadPayload,
    Message,
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAErrorRes,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    UnknownPayload,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.tokens import FileTokenStore, TokenKeeper, Tokens, save_tokens
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.framing import MAX_FRAME, frame

CLIENT_ID, CLIENT_SECRET = "canary-id-5b1e", "canary-secret-77aa"
ACCESS, REFRESH = "canary-access-c0de", "canary-refresh-f00d"
NEW_ACCESS, NEW_REFRESH = "canary-newaccess-1234", "canary-newrefresh-5678"
CANARIES = (CLIENT_ID, CLIENT_SECRET, ACCESS, REFRESH, NEW_ACCESS, NEW_REFRESH)

STEPS: list[tuple[type[Message], Message]] = [
    (ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes()),
    (
        ProtoOARefreshTokenReq,
        ProtoOARefreshTokenRes(
            access_token=NEW_ACCESS,
            token_type="bearer",
            expires_in=2_628_000,
            refresh_token=NEW_REFRESH,
        ),
    ),
    (
        ProtoOAGetAccountListByAccessTokenReq,
        ProtoOAGetAccountListByAccessTokenRes(access_token=NEW_ACCESS, ctid_trader_account=[]),
    ),
    (ProtoOAAccountAuthReq, ProtoOAAccountAuthRes(ctid_trader_account_id=4)),
]
TOKEN_LIST = ProtoOAGetAccountListByAccessTokenRes(access_token=ACCESS, ctid_trader_account=[])


def canaries_in(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text]


# --- how a step can fail: the peer, and the id of the request ---

Fault = Callable[[Any, str], Awaitable[None]]


def replies(message: Message) -> Fault:
    async def fault(peer: Any, ident: str) -> None:
        await peer.send(message, to=ident)

    return fault


def payload(payload_type: int, data: bytes) -> Fault:
    async def fault(peer: Any, ident: str) -> None:
        await peer.send_payload(payload_type, data, ident)

    return fault


def raw(data: bytes) -> Fault:
    async def fault(peer: Any, ident: str) -> None:
        await peer.stream.send_all(data)
        await peer.stream.send_eof()

    return fault


async def silence(peer: Any, ident: str) -> None:
    await trio.sleep_forever()


TAIL = NEW_ACCESS.encode() + REFRESH.encode()
WHOLE = Connection(SCHEMA).send(TOKEN_LIST)
FAULTS: dict[str, Fault] = {
    "refused": replies(ProtoOAErrorRes(error_code="INVALID_REQUEST", description="no")),
    "refused by the proxy": replies(ProtoErrorRes(error_code="UNKNOWN_ERROR")),
    "token refused": replies(ProtoOAErrorRes(error_code="CH_ACCESS_TOKEN_INVALID")),
    "too many": replies(ProtoOAErrorRes(error_code="BLOCKED_PAYLOAD_TYPE", retry_after=1)),
    "another answer": replies(TOKEN_LIST),
    "its own request": replies(ProtoOARefreshTokenReq(refresh_token=REFRESH)),
    "unknown": payload(2999, TAIL),
    "undecodable": payload(2174, b"\x12\x7f" + TAIL),
    "undecodable text": payload(2174, b"\x12\x12\xff\xff" + TAIL),
    "half a frame": raw(WHOLE[:-5]),
    "no frame": raw((MAX_FRAME + 1).to_bytes(4, "big") + TAIL),
    "no envelope": raw(frame(b"\x0a" + TAIL)),
    "hung up": raw(b""),
    "silence": silence,
}


class Peer:
    """Answers each step as it should be, but for the one that fails."""

    def __init__(self, peer: Any, failing: int | None, fault: Fault) -> None:
        self.peer = peer
        self.failing = failing
        self.fault = fault

    async def run(self) -> None:
        answers = dict(STEPS)
        failing = None if self.failing is None else STEPS[self.failing][0]
        while (event := await self.peer.next()) is not None:
            kind = type(event.message)
            if kind is failing:
                failing = None
                await self.fault(self.peer, event.client_msg_id)
            elif kind is ProtoOAVersionReq:
                await self.peer.send(ProtoOAVersionRes(version="91"), to=event.client_msg_id)
            elif kind is not ProtoHeartbeatEvent:
                await self.peer.send(answers[kind], to=event.client_msg_id)


async def session(api: Any, store: FileTokenStore) -> None:
    """Everything that has to do with secrets."""
    await api.application_auth(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    tokens = await TokenKeeper(store, api, now=lambda: 1e9).current()
    await api.get_account_list_by_access_token(access_token=tokens.access_token)
    await api.auth(
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        access_token=tokens.access_token,
        account_id=4,
    )


def shown_by(error: BaseException) -> Iterator[str]:
    """What a program might print of an exception and of all that hangs on it."""
    yield "".join(traceback.format_exception(error))
    seen: list[BaseException | None] = []
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is None or link in seen:
            continue
        seen.append(link)
        chain += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
        yield from (str(link), repr(link), repr(link.args), repr(vars(link)))


CASES = [(None, "refused")] + [(n, fault) for n in range(len(STEPS)) for fault in FAULTS]


@pytest.mark.parametrize(("failing", "fault"), CASES)
async def test_no_canary_is_seen(failing, fault, play, autojump_clock, caplog, tmp_path):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "ctrader_typed.wire")
    store = FileTokenStore(tmp_path / "tokens")
    await save_tokens(store, Tokens(ACCESS, REFRESH, 0, 1))
    shown: list[str] = []
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(Peer(peer, failing, FAULTS[fault]).run)
        async with api.events(Message, UnknownPayload, BadPayload) as events:
            error: BaseException | None = None
            with trio.move_on_after(60):
                try:
                    await session(api, store)
                except Exception as caught:  # noqa: BLE001 - looked at below
                    error = caught
            shown += [repr(thing) for thing in (api, events, api.schema, api.limits(), store)]
            with trio.move_on_after(1):
                try:
                    async for event in events:
                        shown += [repr(event), str(event)]
                except Exception as caught:  # noqa: BLE001 - looked at below
                    shown += shown_by(caught)
        nursery.cancel_scope.cancel()
    if error is not None:
        shown += shown_by(error)
    if failing is None:
        assert error is None
    shown.append(caplog.text)
    shown += [repr(vars(record)) for record in caplog.records]
    assert len(caplog.records) >= 2
    assert [(canary, text) for text in shown for canary in canaries_in(text)] == []


def test_the_session_would_show_them_if_it_could() -> None:
    """The canaries are really in what goes over the wire, and every step has failures to show."""
    wire = b"".join(Connection(SCHEMA).send(answer) for _, answer in STEPS)
    assert NEW_ACCESS.encode() in wire
    assert NEW_REFRESH.encode() in wire
    assert len(CASES) == 1 + 4 * len(FAULTS)
    assert canaries_in(f"{ACCESS} {CLIENT_ID}") == [CLIENT_ID, ACCESS]
