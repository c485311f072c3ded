"""What docs/mockserver.md lists is what the source has: wires, ports, accounts and tokens."""

from __future__ import annotations

import re
from pathlib import Path

from ctrader_typed.proto import ProtoOAAccountType
from ctrader_typed.wire.connection import Carrier
from mockserver.box import (
    ACCESS_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    VIEW_TOKEN,
    standard_broker,
)
from mockserver.broker.trading.account import Account
from mockserver.server.endpoints import ENDPOINTS

DOCS = (Path(__file__).parents[2] / "docs" / "mockserver.md").read_text(encoding="utf-8")
NEEDS = DOCS.partition("## What a client in any language needs")[2].partition("\n## ")[0]
WIRE_ROW = re.compile(r"^\| `([a-z-]+)` \| ([^|]+) \| (\d*) *\|$", re.MULTILINE)


def test_the_wires_of_the_docs_are_those_of_the_server_with_what_they_speak() -> None:
    rows = {name: (text, port) for name, text, port in WIRE_ROW.findall(NEEDS)}
    assert list(rows) == list(ENDPOINTS)
    for name, endpoint in ENDPOINTS.items():
        text, port = rows[name]
        json = endpoint.wire.carrier is Carrier.TEXT
        assert ("JSON" in text) is json
        assert ("protobuf" in text) is not json
        assert ("WebSocket" in text) is (endpoint.wire.carrier is not Carrier.BYTES)
        assert ("plain" in text) is not endpoint.tls
        # The live API has TLS on all of its ports.
        assert port == (str(endpoint.wire.port) if endpoint.tls else "")


def test_the_accounts_of_the_docs_are_those_of_the_broker() -> None:
    sentence = " ".join(NEEDS.split()).partition("the accounts ")[2].partition(". `")[0]
    demo, separator, live = sentence.partition(", all demo, and ")
    assert separator
    listed = re.findall(r"(\d{7}) \(([^)]*)\)", demo) + re.findall(r"(\d{7}) \(([^)]*)\)", live)
    assert listed == [
        (str(each.account_id), described(each)) for each in standard_broker().accounts.values()
    ]


def described(account: Account) -> str:
    """An account as the docs put it."""
    terms = account.terms
    words = {
        ProtoOAAccountType.HEDGED: "hedged",
        ProtoOAAccountType.NETTED: "netted",
        ProtoOAAccountType.SPREAD_BETTING: "spread betting, in GBP",
    }[terms.account_type]
    return f"{words}, live" if terms.is_live else words


def test_the_application_and_the_tokens_of_the_docs_are_those_of_the_box() -> None:
    named = set(re.findall(r"`(mock-[a-z-]+)`", NEEDS))
    assert named == {CLIENT_ID, CLIENT_SECRET, ACCESS_TOKEN, VIEW_TOKEN, REFRESH_TOKEN}
