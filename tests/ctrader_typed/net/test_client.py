"""What the client adds to a link: authorisation in one call, other packages, versions."""

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

import ctrader_typed
from ctrader_typed import (
    Api,
    AuthError,
    Client,
    ConnectionLost,
    LocalProtocolError,
    ProtoErrorRes,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAErrorRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    ServerError,
)
from ctrader_typed.proto import SCHEMA

CREDENTIALS = {"client_id": "an id", "client_secret": "a secret", "access_token": "a token"}


async def serve(peer, *replies) -> list:
    """Answer one request after the other, and return them."""
    requests = []
    for reply in replies:
        event = await peer.next()
        requests.append(event.message)
        await peer.send(reply, to=event.client_msg_id)
    return requests


async def authorise(play, account_id, *replies) -> list:
    requests = []

    async def note(peer) -> None:
        requests.extend(await serve(peer, *replies))

    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(note, peer)
        await api.auth(**CREDENTIALS, account_id=account_id)
    return requests


def app_auth() -> ProtoOAApplicationAuthReq:
    return ProtoOAApplicationAuthReq(client_id="an id", client_secret="a secret")


def account_auth(account: int) -> ProtoOAAccountAuthReq:
    return ProtoOAAccountAuthReq(ctid_trader_account_id=account, access_token="a token")


def welcome(account: int) -> ProtoOAAccountAuthRes:
    return ProtoOAAccountAuthRes(ctid_trader_account_id=account)


async def test_auth_authorises_the_application_and_then_the_account(play, autojump_clock) -> None:
    got = await authorise(play, 5, ProtoOAApplicationAuthRes(), welcome(5))
    assert got == [app_auth(), account_auth(5)]


async def test_auth_of_several_accounts(play, autojump_clock) -> None:
    replies = [ProtoOAApplicationAuthRes(), welcome(5), welcome(3), welcome(4)]
    got = await authorise(play, iter((5, 3, 4)), *replies)
    assert got == [app_auth(), account_auth(5), account_auth(3), account_auth(4)]


@pytest.mark.parametrize("code", ["ALREADY_LOGGED_IN", "CH_CLIENT_ALREADY_AUTHENTICATED"])
async def test_what_is_authorised_already_counts(play, autojump_clock, code: str) -> None:
    already = ProtoOAErrorRes(error_code=code)
    assert len(await authorise(play, [5, 6], already, already, already)) == 3


async def test_auth_stops_at_the_first_refusal(play, autojump_clock) -> None:
    refused = ProtoOAErrorRes(
        error_code="CH_CLIENT_AUTH_FAILURE", description="clientId or clientSecret is incorrect"
    )
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(serve, peer, refused)
        with pytest.raises(AuthError, match="clientSecret is incorrect") as caught:
            await api.auth(**CREDENTIALS, account_id=5)
        assert "a secret" not in repr(caught.value) + str(caught.value)
        await trio.sleep(1)
        nursery.start_soon(serve, peer, ProtoOAVersionRes(version="91"))
        await api.version()  # the account was not tried


async def test_auth_raises_what_is_not_about_authorisation(play, autojump_clock) -> None:
    maintenance = ProtoErrorRes(error_code="SERVER_IS_UNDER_MAINTENANCE")
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(serve, peer, ProtoOAApplicationAuthRes(), maintenance)
        with pytest.raises(ServerError, match="SERVER_IS_UNDER_MAINTENANCE"):
            await api.auth(**CREDENTIALS, account_id=5)


async def test_errors_without_an_id_are_events(play, autojump_clock) -> None:
    maintenance = ProtoErrorRes(error_code="SERVER_IS_UNDER_MAINTENANCE")
    async with play() as (api, peer), api.events(ProtoErrorRes) as errors:
        await peer.send(maintenance)
        assert await anext(errors) == maintenance


class OtherApi(Client):
    """The client of another package."""


OTHER = SimpleNamespace(SCHEMA=SCHEMA, Api=OtherApi)


async def test_the_client_is_that_of_the_package(play, autojump_clock) -> None:
    async with play(schema=OTHER) as (api, peer), trio.open_nursery() as nursery:
        assert type(api) is OtherApi
        assert api.schema is SCHEMA
        nursery.start_soon(serve, peer, ProtoOAVersionRes(version="7"))
        assert (await api.request(ProtoOAVersionReq())).version == "7"


async def test_this_package_is_a_package_like_any_other(play, autojump_clock) -> None:
    async with play(schema=ctrader_typed) as (api, _):
        assert type(api) is Api


async def test_a_request_of_another_package_is_sent_as_ours(play, autojump_clock) -> None:
    class ProtoOAVersionReq(ctrader_typed.ProtoOAVersionReq):
        """Another package's."""

    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(serve, peer, ProtoOAVersionRes(version="7"))
        assert (await api.request(ProtoOAVersionReq())).version == "7"


async def test_a_request_that_the_release_lacks_is_refused_by_name(play, autojump_clock) -> None:
    class ProtoOATimeReq(ctrader_typed.ProtoOAVersionReq):
        """No request of ours."""

    async with play() as (api, _):
        with pytest.raises(LocalProtocolError, match=r"^release 91 has no ProtoOATimeReq$"):
            await api.request(ProtoOATimeReq())
        with pytest.raises(LocalProtocolError, match=r"^release 91 has no ProtoOATimeReq$"):
            api.events(ProtoOATimeReq)


async def test_a_lost_link_ends_auth(play, autojump_clock) -> None:
    async with play() as (api, peer):
        await peer.stream.aclose()
        with pytest.raises(ConnectionLost):
            await api.auth(**CREDENTIALS, account_id=5)


def test_every_public_name_is_there() -> None:
    for name in ctrader_typed.__all__:
        assert hasattr(ctrader_typed, name), name
    assert "ProtoOASpotEvent" in ctrader_typed.__all__
    assert ctrader_typed.SCHEMA is SCHEMA


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert ctrader_typed.__version__ == project["project"]["version"]
