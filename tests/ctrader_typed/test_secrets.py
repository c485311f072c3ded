"""Credentials are in no repr, no error text and no log line."""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import pprint
import re
import traceback
import typing

import pytest
from rich.pretty import pretty_repr

from ctrader_typed.errors import CodecError
from ctrader_typed.message import Message
from ctrader_typed.message.fields import Field
from ctrader_typed.proto import (
    SCHEMA,
    ProtoMessage,
    ProtoOAApplicationAuthReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOARefreshTokenRes,
)
from tests.support import oracle

SECRET = "s3cr3t-do-not-show"

SECRETS = [(cls, f) for cls in SCHEMA.messages for f in cls.message_fields if f.secret]

each_secret = pytest.mark.parametrize(
    ("cls", "secret"), SECRETS, ids=[f"{cls.__name__}.{f.name}" for cls, f in SECRETS]
)


def with_secret(cls: type[Message], secret: Field, value: typing.Any = SECRET) -> typing.Any:
    message = cls.blank()
    for f in cls.required_fields:
        setattr(message, f.name, "" if f.kind == "string" else 0)
    setattr(message, secret.name, value)
    return message


def test_every_credential_of_the_schema_is_marked() -> None:
    for cls in SCHEMA.messages:
        for f in cls.message_fields:
            looks_so = re.search(r"(token|secret|password|clientid)$", f.key, re.IGNORECASE)
            assert f.secret == (looks_so is not None and f.kind == "string"), f"{cls.__name__}.{f}"
    assert len(SECRETS) >= 8


@each_secret
def test_no_way_to_show_a_message_shows_it(cls: type[Message], secret: Field) -> None:
    message = with_secret(cls, secret)
    ways = [
        repr(message),
        str(message),
        f"{message}",
        f"{message!r}",
        f"{[message]}",
        "%s" % message,  # noqa: UP031 - a way too
    ]
    ways += [pretty_repr(message), pprint.pformat(message), pprint.pformat([message], width=20)]
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s %r", (message, message), None)
    ways.append(record.getMessage())
    for shown in ways:
        assert SECRET not in shown
        assert "***" in shown


@each_secret
def test_a_dataclass_made_of_it_does_not_show_it_either(cls: type[Message], secret: Field) -> None:
    assert not {f.name: f for f in dataclasses.fields(typing.cast("typing.Any", cls))}[
        secret.name
    ].repr


def test_an_absent_credential_is_not_shown_as_one() -> None:
    assert repr(ProtoOAApplicationAuthReq()) == "ProtoOAApplicationAuthReq()"


def test_inside_another_message_and_in_the_bytes_of_an_envelope() -> None:
    inner = ProtoOAApplicationAuthReq(client_id="me", client_secret=SECRET)
    envelope = ProtoMessage(payload_type=2100, payload=bytes(inner))
    assert repr(envelope) == f"ProtoMessage(payload_type=2100, payload=<{len(inner)} bytes>)"
    for shown in (repr(envelope), pretty_repr(envelope), pprint.pformat(envelope), f"{[envelope]}"):
        assert SECRET not in shown
    unknown = ProtoOAGetAccountListByAccessTokenRes.FromString(
        bytes(ProtoOAGetAccountListByAccessTokenRes(access_token=SECRET))
        + b"\xfa\x7f\x12"
        + SECRET.encode()
    )
    assert SECRET not in repr(unknown)


@each_secret
def test_no_error_shows_it_when_it_cannot_be_written(cls: type[Message], secret: Field) -> None:
    message = with_secret(cls, secret)
    others: list[typing.Any] = [SECRET.encode(), [SECRET], {SECRET: SECRET}, SECRET + "\ud800"]
    broken = [with_secret(cls, secret, value) for value in others]
    for f in cls.message_fields:
        if f.kind not in ("string", "bool"):
            message = with_secret(cls, secret)
            setattr(message, f.name, SECRET)
            broken.append(message)
    for message in broken:
        for write in (bytes, Message.to_dict, Message.to_json):
            with pytest.raises(CodecError) as caught:
                write(message)
            assert SECRET not in "".join(traceback.format_exception(caught.value))


@each_secret
@pytest.mark.parametrize("path", oracle.PATHS)
def test_no_error_shows_it_when_it_cannot_be_read(
    cls: type[Message], secret: Field, path: str
) -> None:
    data, text = bytes(with_secret(cls, secret)), with_secret(cls, secret).to_json()
    shown: list[str] = []
    with oracle.path(path):
        for cut in range(len(data)):
            shown += errors_of(cls.FromString, data[:cut])
        for at in range(len(data)):
            shown += errors_of(cls.FromString, data[:at] + b"\xff" + data[at + 1 :])
    for cut in range(len(text)):
        shown += errors_of(cls.from_json, text[:cut])
        shown += errors_of(cls.from_json, text[:cut].encode() + b"\xff" + text[cut:].encode())
    value = json.loads(text)
    for wrong in ([SECRET], {SECRET: 1}, SECRET + "\ud800", SECRET.encode()):
        shown += errors_of(cls.from_dict, value | {secret.key: wrong})
    for f in cls.message_fields:
        if f.kind != "string":
            shown += errors_of(cls.from_dict, value | {f.key: SECRET})
            shown += errors_of(cls.from_dict, value | {f.key: [SECRET]})
    assert shown
    for each in shown:
        assert SECRET not in each
        assert base64.b64encode(SECRET.encode()).decode() not in each


def errors_of(read: typing.Callable[[typing.Any], Message], value: typing.Any) -> list[str]:
    try:
        read(value)
    except CodecError as error:
        return ["".join(traceback.format_exception(error))]
    return []


def test_the_values_are_there_for_who_asks() -> None:
    message = ProtoOARefreshTokenRes(
        access_token=SECRET, token_type="bearer", expires_in=1, refresh_token="r"
    )
    assert message.access_token == SECRET
    assert message.to_dict()["accessToken"] == SECRET
    assert SECRET.encode() in bytes(message)
