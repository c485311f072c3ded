"""A package generated from another release, as whoever regenerates has one.

It is release 91 with one message and three fields more and an optional field less, so whatever
uses a class of our own instead of the package's fails with it.
"""

from __future__ import annotations

import atexit
import importlib
import shutil
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

import pytest

import ctrader_typed
from codegen.commands import run
from ctrader_typed import Message
from ctrader_typed.proto import SCHEMA

PACKAGE: Any = ctrader_typed
"""The package of bindings whose client is at work in a test; see `release`."""

PROTOS = Path(__file__).parents[2] / "protos"

ADDED = (
    ("ProtoOAPosition", "  optional string note = 95;"),
    ("ProtoOATrader", "  repeated ProtoOANote notes = 96;"),
    ("ProtoOASubscribeSpotsReq", "  optional int32 pace = 97;"),
)
"""Fields that our release does not have; the last is of the other file."""
GONE = ("ProtoOAPosition", "moneyDigits")
"""A field that accounts read."""
NOTE = "message ProtoOANote {\n  optional string text = 1;\n}\n"


def both_releases(metafunc: pytest.Metafunc, opener: str) -> None:
    """Run a test that calls `opener` in both, but one that names a release itself."""
    names = {*metafunc.function.__code__.co_names, *metafunc.fixturenames}
    if opener in names and not names & {
        "another_release",
        "old_release",
        "release_of_81",
        "compiled",
    }:
        metafunc.fixturenames.append("release")
        metafunc.parametrize(
            "release",
            ["ours", pytest.param("another", marks=pytest.mark.one_python)],
            indirect=True,
        )


@pytest.fixture
def release(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that clients are made of."""
    if request.param == "another":
        monkeypatch.setattr(sys.modules[__name__], "PACKAGE", another_release())


@cache
def another_release() -> ModuleType:
    """The package, generated once a run."""
    folder = _folder("another_release")
    protos = shutil.copytree(PROTOS, folder / "protos")
    model, messages = (protos / f"OpenApi{name}Messages.proto" for name in ("Model", ""))
    changed = without_field(model.read_text(encoding="utf-8"), *GONE) + NOTE
    model.write_text(_with_fields(changed, *ADDED[:2]), encoding="utf-8")
    changed = _with_fields(messages.read_text(encoding="utf-8"), *ADDED[2:])
    messages.write_text(changed, encoding="utf-8")
    (protos / "RELEASE").write_text("92")
    return generated(protos, folder, "another_release_92")


def generated(protos: Path, out: Path, name: str, *more: str) -> ModuleType:
    """The package that the generator makes of these files, imported."""
    done = run(["--protos", str(protos), "--out", str(out), "--package", name, *more])
    assert done.status == 0, done.err or done.out
    sys.path.insert(0, str(out))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(out))


def _folder(prefix: str) -> Path:
    """A folder for as long as the tests run."""
    folder = Path(mkdtemp(prefix=prefix))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _with_fields(text: str, *fields: tuple[str, str]) -> str:
    """A .proto file with more fields."""
    for message, line in fields:
        opening = f"message {message} {{"
        assert text.count(opening) == 1, opening
        text = text.replace(opening, f"{opening}\n{line}")
    return text


def without_field(text: str, message: str, key: str) -> str:
    """A .proto file without one field."""
    start = text.index(f"message {message} {{")
    end = text.index("\n}\n", start)
    lines = text[start:end].splitlines(keepends=True)
    kept = [line for line in lines if f" {key} = " not in line]
    assert len(kept) == len(lines) - 1, f"{message} has no {key}"
    return text[:start] + "".join(kept) + text[end:]


def without_message(text: str, message: str) -> str:
    """A .proto file without one message."""
    start = text.index(f"message {message} {{")
    return text[:start] + text[text.index("\n}\n", start) + 3 :]


def as_ours(message: Any) -> Any:
    """A message of any release as ours, by its bytes: what that release lacks is still in them."""
    if not isinstance(message, Message):
        return message
    cls = SCHEMA.by_name[type(message).__name__]
    return message if type(message) is cls else cls.FromString(bytes(message))


@cache
def old_release() -> ModuleType:
    """A package like those of the first releases, which cannot follow an order. Generated once."""
    folder = _folder("old_release")
    protos = shutil.copytree(PROTOS, folder / "protos")
    for path in protos.glob("OpenApi*.proto"):
        text = path.read_text(encoding="utf-8")
        for message, key in OLD_LACKS_FIELDS:
            if f"message {message} {{" in text:
                text = without_field(text, message, key)
        for message in OLD_LACKS:
            if f"message {message} {{" in text:
                text = without_message(text, message)
        path.write_text(text, encoding="utf-8")
    (protos / "RELEASE").write_text("7.4")
    return generated(protos, folder, "old_release_74")


@cache
def release_of_81() -> ModuleType:
    """A package that can follow orders, and cannot ask for the protective ones. Generated once."""
    folder = _folder("release_of_81")
    protos = shutil.copytree(PROTOS, folder / "protos")
    path = protos / "OpenApiMessages.proto"
    text = path.read_text(encoding="utf-8")
    text = without_field(text, "ProtoOAReconcileReq", "returnProtectionOrders")
    path.write_text(text, encoding="utf-8")
    (protos / "RELEASE").write_text("81")
    return generated(protos, folder, "release_of_81")


OLD_LACKS = tuple(
    f"ProtoOA{name}"
    for name in (
        *("AccountDisconnectEvent", "OrderDetailsReq", "OrderDetailsRes", "OrderListReq"),
        *("OrderListRes", "OrderListByPositionIdReq", "OrderListByPositionIdRes"),
        *("DealListByPositionIdReq", "DealListByPositionIdRes", "DealOffsetListReq"),
        *("DealOffsetListRes", "GetDynamicLeverageByIDReq", "GetDynamicLeverageByIDRes"),
        *("GetPositionUnrealizedPnLReq", "GetPositionUnrealizedPnLRes", "RefreshTokenReq"),
        *("RefreshTokenRes", "SubscribeLiveTrendbarReq", "SubscribeLiveTrendbarRes"),
        *("UnsubscribeLiveTrendbarReq", "UnsubscribeLiveTrendbarRes"),
        *("AssetClassListReq", "AssetClassListRes", "MarginChangedEvent"),
        *("SubscribeDepthQuotesReq", "SubscribeDepthQuotesRes", "DepthEvent"),
        *("UnsubscribeDepthQuotesReq", "UnsubscribeDepthQuotesRes"),
    )
)
"""What a release of 2019 did not have yet, or might not have had."""

OLD_LACKS_FIELDS = tuple(
    (f"ProtoOA{message}", key)
    for message, keys in {
        "SymbolsListReq": ("includeArchivedSymbols",),
        "SymbolsListRes": ("archivedSymbol",),
        "SubscribeSpotsReq": ("subscribeToSpotTimestamp",),
        "SpotEvent": ("timestamp", "sessionClose"),
        "ReconcileReq": ("returnProtectionOrders",),
        "GetTrendbarsReq": ("count",),
        "GetTrendbarsRes": ("hasMore",),
        "Symbol": ("holiday", "leverageId", "lotSize", "pnlConversionFeeRate"),
        "Trader": ("moneyDigits",),
        "Position": ("moneyDigits", "trailingStopLoss"),
        "TradeData": ("comment", "closeTimestamp"),
        "ExpectedMarginRes": ("moneyDigits",),
    }.items()
    for key in keys
)
