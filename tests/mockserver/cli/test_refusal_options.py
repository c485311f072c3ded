"""Options of the process that change what it refuses, and how."""

from __future__ import annotations

import socket
import ssl

import pytest

from ctrader_typed.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOADealOffsetListReq,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOARefreshTokenReq,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, REFRESH_TOKEN

from .test_ci_service import Serve, stopped
from .test_cli import MONDAY, Server, refused
from .test_cli import ca as ca  # noqa: PLC0414 - a fixture
from .test_cli import serve as serve  # noqa: PLC0414 - a fixture

LOGIN = ProtoOAApplicationAuthReq(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)


@pytest.mark.parametrize(
    ("options", "text"),
    [([], "Deal not found with id 7"), (["--no-invented-texts"], None)],
)
def test_a_refusal_nobody_has_seen_has_a_text_unless_it_is_switched_off(
    options: list[str], text: str | None, serve: Serve, ca: str
) -> None:
    server = serve("--broker", *options, *MONDAY, "--ca", ca)
    server.ready()
    with server.client() as client:
        client.ask(LOGIN)
        account = ProtoOAAccountAuthReq(ctid_trader_account_id=HEDGED, access_token=ACCESS_TOKEN)
        client.ask(account)
        answer = client.ask(ProtoOADealOffsetListReq(ctid_trader_account_id=HEDGED, deal_id=7))
    assert answer.error_code == "ENTITY_NOT_FOUND"
    assert answer.description == text
    stopped(server)


@pytest.mark.parametrize(
    ("options", "when", "usable"),
    [
        ([], "after a refresh", False),
        (["--token-grace", "3600"], "3600 seconds after a refresh", True),
    ],
)
def test_the_ready_line_says_when_the_printed_tokens_die_and_then_they_do(
    options: list[str], when: str, usable: bool, serve: Serve, ca: str
) -> None:
    server = serve("--broker", *options, *MONDAY, "--ca", ca)
    said = server.ready()["broker"]["afterRefresh"]
    assert said == f"accessToken and refreshToken are dead {when}: use the pair of the reply"
    with server.client() as client:
        client.ask(LOGIN)
        assert client.ask(ProtoOARefreshTokenReq(refresh_token=REFRESH_TOKEN)).access_token
        answer = client.ask(ProtoOAGetAccountListByAccessTokenReq(access_token=ACCESS_TOKEN))
    assert (getattr(answer, "error_code", None) is None) is usable
    stopped(server)


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon"])
def test_a_grace_that_is_no_length_of_time_is_refused(value: str) -> None:
    assert "expected seconds, 0 or more" in refused("--broker", f"--token-grace={value}")


# --- why a client was hung up on ------------------------------------------------------------------


def first_line(server: Server) -> str:
    assert server.process.stderr is not None
    return server.process.stderr.readline()


def test_a_client_that_breaks_the_protocol_leaves_one_line_while_the_server_runs(
    serve: Serve, ca: str
) -> None:
    server = serve("--broker", *MONDAY, "--ca", ca)
    server.ready()
    with server.client() as client:
        client.stream.sendall(b"\xff\xff\xff\xff" + ACCESS_TOKEN.encode())
        line = first_line(server)
    assert line.startswith("mockserver: connection 1 was ended: the client broke the protocol: ")
    assert ACCESS_TOKEN not in line
    assert stopped(server) == (0, "")


def test_a_client_that_does_not_trust_the_certificate_leaves_one_line(
    serve: Serve, ca: str
) -> None:
    server = serve("--broker", *MONDAY, "--ca", ca)
    where = server.ready()
    context = ssl.create_default_context()
    with (
        socket.create_connection((where["host"], where["port"])) as tcp,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(tcp, server_hostname="localhost")
    assert first_line(server).startswith(
        "mockserver: connection was refused: the TLS handshake failed: "
    )
    assert stopped(server) == (0, "")


def test_clients_that_leave_by_themselves_leave_no_line(serve: Serve, ca: str) -> None:
    server = serve("--broker", *MONDAY, "--ca", ca)
    where = server.ready()
    socket.create_connection((where["host"], where["port"])).close()  # looks at the port only
    with server.client() as client:
        client.ask(LOGIN)
    with server.client() as client:  # when it is answered, the others have been seen to leave
        client.ask(LOGIN)
    assert stopped(server) == (0, "")
