"""Which codec runs, what says so, and that it is not loaded before it is needed."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import ctrader_typed
from ctrader_typed import CodecInfo, ProtoOAExecutionEvent
from ctrader_typed.message import choice
from ctrader_typed.proto import SCHEMA
from tests.fuzz.driver import Random
from tests.fuzz.inputs import sample
from tests.support import oracle

ROOT = Path(__file__).parents[3]
BUILT = "compiled" in oracle.codecs()
NOWHERE = "ctrader_typed.proto.nowhere"

needs_compiled = pytest.mark.skipif(not BUILT, reason="the compiled codec is not built")


def run(program: str, asked: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    environment = {**os.environ, choice.VARIABLE: asked, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT
    )


SHOW = "import ctrader_typed; print(ctrader_typed.codec_info().codec)"


def test_the_one_that_is_built_runs_and_says_why() -> None:
    assert run(SHOW).stdout.strip() == ("compiled" if BUILT else "python")
    info = ctrader_typed.codec_info()
    assert isinstance(info, CodecInfo)
    assert info.why


def test_python_can_be_asked_for() -> None:
    assert run(SHOW, "python").stdout.strip() == "python"
    done = run("import ctrader_typed; print(ctrader_typed.codec_info().why)", "python")
    assert done.stdout.strip() == "CTRADER_TYPED_CODEC=python"


def test_the_compiled_one_can_be_asked_for() -> None:
    done = run(SHOW, "compiled")
    if BUILT:
        assert done.stdout.strip() == "compiled"
    else:
        assert "proto.compiled was not built for this Python" in done.stderr


def test_a_misspelt_wish_is_an_error() -> None:
    done = run(SHOW, "cython")
    assert "CTRADER_TYPED_CODEC=cython: expected compiled or python" in done.stderr


def test_what_is_asked_for_and_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.VARIABLE, "compiled")
    with pytest.raises(ImportError, match=f"{NOWHERE} was not built for this Python"):
        choice.load(NOWHERE, SCHEMA.codecs, SCHEMA.digest)
    # A package that users generated never has one, and is none the worse beside ours.
    assert choice.load(None, SCHEMA.codecs, SCHEMA.digest)[1].codec == "python"


def test_what_is_not_there_is_left_out_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    codecs, info = choice.load(NOWHERE, SCHEMA.codecs, SCHEMA.digest)
    assert info == CodecInfo("python", f"{NOWHERE} is not built")
    assert codecs is oracle.codecs()["straight-line"]
    info = choice.load(None, SCHEMA.codecs, SCHEMA.digest)[1]
    assert info == CodecInfo("python", "this schema has no compiled codec")


@needs_compiled
def test_one_that_was_built_from_another_schema_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    info = choice.load(SCHEMA.compiled, SCHEMA.codecs, "another")[1]
    assert info.codec == "python"
    assert "built from another schema" in info.why
    monkeypatch.setenv(choice.VARIABLE, "compiled")
    with pytest.raises(ImportError, match="built from another schema"):
        choice.load(SCHEMA.compiled, SCHEMA.codecs, "another")


@needs_compiled
def test_one_that_does_not_load_is_left_out_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken_codec.py").write_text("raise ImportError('no such symbol')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    info = choice.load("broken_codec", SCHEMA.codecs, SCHEMA.digest)[1]
    assert info == CodecInfo("python", "no such symbol")
    monkeypatch.setenv(choice.VARIABLE, "compiled")
    with pytest.raises(ImportError, match="no such symbol"):
        choice.load("broken_codec", SCHEMA.codecs, SCHEMA.digest)


@pytest.mark.parametrize("message", ["ProtoHeartbeatEvent", "ProtoOASpotEvent.blank"])
def test_nothing_is_loaded_before_the_first_message(message: str) -> None:
    """Neither codec; the first message of any kind, written or read, brings one of them."""
    program = f"""
import sys
import ctrader_typed
names = ["ctrader_typed.proto.compiled", "ctrader_typed.proto.codecs"]
assert not set(names) & set(sys.modules)
try:
    bytes(ctrader_typed.{message}())
except ctrader_typed.EncodeError as error:
    assert "required" in str(error)
assert {not BUILT} or names[0] in sys.modules
assert {BUILT} or {message == "ProtoHeartbeatEvent"} or names[1] in sys.modules
assert not {BUILT} or names[1] not in sys.modules
print("done")
"""
    done = run(program)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("path", oracle.PATHS)
def test_copies_and_pickles_are_the_same_on_every_path(path: str) -> None:
    chance = Random(1)
    for _ in range(20):
        message = sample(ProtoOAExecutionEvent, chance)
        with oracle.path(path):
            for twin in (
                copy.copy(message),
                copy.deepcopy(message),
                pickle.loads(pickle.dumps(message)),
                ProtoOAExecutionEvent().parse(bytes(message)),
            ):
                assert twin == message
                assert bytes(twin) == bytes(message)
                assert repr(twin) == repr(message)


@pytest.mark.parametrize("path", oracle.PATHS)
def test_what_is_read_is_a_message_like_any_other(path: str) -> None:
    """It takes attributes, loses them, and is written accordingly."""
    with oracle.path(path):
        message = ctrader_typed.ProtoOASpotEvent.FromString(b"\x10\x01\x18\x02")
        assert message.__dict__ == {}
        message.stray = 1  # type: ignore[attr-defined]  # the point
        with pytest.raises(ctrader_typed.EncodeError, match="no field stray"):
            bytes(message)
        del message.stray  # type: ignore[attr-defined]  # likewise
        assert bytes(message) == b"\x10\x01\x18\x02"
        del message.symbol_id
        with pytest.raises(ctrader_typed.EncodeError, match="symbol_id is required"):
            bytes(message)
        message.symbol_id, message.bid = 2, 3
        assert bytes(message) == b"\x10\x01\x18\x02\x20\x03"


@pytest.mark.parametrize("asked", ["", "python"])
def test_the_first_message_is_refused_like_any_other(asked: str) -> None:
    """What brings the codecs keeps their contract: it gives up, and the general path explains."""
    program = """
from ctrader_typed import DecodeError, EncodeError, ProtoOASpotEvent, ProtoOATraderReq
from ctrader_typed.message import codec
for cls in (ProtoOASpotEvent, ProtoOATraderReq):
    straight = cls.straight_decode
    if straight is not None:
        try:
            straight(b"..\\x08", 2, 3)
        except codec.IRREGULAR:
            pass
    try:
        cls.FromString(b"\\x08")
    except DecodeError as error:
        print(error)
"""
    done = run(program, asked)
    assert done.stdout.splitlines() == [
        "ProtoOASpotEvent.payload_type: cut short inside the varint at byte 1",
        "ProtoOATraderReq.payload_type: cut short inside the varint at byte 1",
    ], done.stderr


@needs_compiled
def test_what_can_be_in_no_cycle_is_left_to_counting() -> None:
    """The garbage collector looks at a message only if there are messages in it."""
    program = """if True:
        import gc
        from ctrader_typed import ProtoOASpotEvent, ProtoOATrendbar

        plain = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, bid=3)
        plain = ProtoOASpotEvent.FromString(bytes(plain))
        bars = [ProtoOATrendbar(volume=number) for number in range(3)]
        nested = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, trendbar=bars)
        nested = ProtoOASpotEvent.FromString(bytes(nested))
        lists = [plain.trendbar, nested.trendbar]
        print(*map(gc.is_tracked, [plain, nested, *lists, *nested.trendbar]))
        before = gc.get_count()[0], len(gc.get_objects())
        for _ in range(1000):
            copies = [ProtoOASpotEvent.FromString(bytes(each)) for each in (plain, nested)]
            copies[0].trendbar.append(copies[1])
        del copies
        print(len(gc.get_objects()) - before[1])
    """
    done = run(program, "compiled")
    assert done.stderr == ""
    tracked, left = done.stdout.splitlines()
    assert tracked == "False True False True False False False"
    assert int(left) < 10
