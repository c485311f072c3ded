"""Frames: any split of the stream gives the same; an impossible length stops at its header."""

import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.errors import LocalProtocolError, RemoteProtocolError
from ctrader_typed.wire.framing import MAX_FRAME, Deframer, frame

payloads = st.lists(st.binary(min_size=1, max_size=40), max_size=12)


def framed(payload: bytes) -> bytes:
    return struct.pack("!I", len(payload)) + payload


def test_a_frame_is_a_big_endian_length_and_the_payload() -> None:
    assert frame(bytes.fromhex("08331200")) == bytes.fromhex("0000000408331200")


@given(payloads, st.data())
def test_any_split_of_the_stream_gives_the_same_frames(
    sent: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(framed, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    deframer = Deframer()
    got: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += deframer.feed(stream[start:end])
    deframer.close()
    assert got == sent


@given(payloads)
def test_byte_by_byte(sent: list[bytes]) -> None:
    deframer = Deframer()
    stream = b"".join(map(framed, sent))
    got = [payload for byte in stream for payload in deframer.feed(bytes((byte,)))]
    assert got == sent


@pytest.mark.parametrize("size", [1, 15 << 20, MAX_FRAME])
def test_frames_up_to_the_cap_pass(size: int) -> None:
    deframer = Deframer()
    data = frame(b"x" * size)
    assert deframer.feed(data[:7]) == ([] if size > 3 else [b"x"])
    assert [len(got) for got in deframer.feed(data[7:])] == ([size] if size > 3 else [])
    deframer.close()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("00000000", "got a length of 0"),
        ("01000001", "got a length of 16777217"),
        ("7fffffff", "got a length of 2147483647"),
        ("80000000", "got a length of -2147483648"),
        ("ffffffff", "got a length of -1"),
    ],
)
def test_an_impossible_length_is_refused_with_its_header(header: str, said: str) -> None:
    deframer = Deframer()
    assert deframer.feed(bytes.fromhex(header)[:3]) == []
    with pytest.raises(RemoteProtocolError, match=f"1 to 16777216 bytes, {said}"):
        deframer.feed(bytes.fromhex(header)[3:])
    assert deframer.broken is not None
    with pytest.raises(RemoteProtocolError, match=said):
        deframer.feed(b"anything")


def test_the_frames_before_an_impossible_length_come_out() -> None:
    deframer = Deframer()
    assert deframer.feed(framed(b"one") + framed(b"two") + bytes(4) + b"three") == [b"one", b"two"]
    assert deframer.broken is not None
    with pytest.raises(RemoteProtocolError, match="got a length of 0"):
        deframer.feed(b"")


def test_nothing_of_a_frame_over_the_cap_is_buffered() -> None:
    deframer = Deframer()
    chunk = bytes.fromhex("7fffffff") + bytes(1 << 20)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        with pytest.raises(RemoteProtocolError):
            deframer.feed(chunk)
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < 100_000


def test_a_cap_of_ones_own() -> None:
    assert Deframer(max_frame=3).feed(framed(b"abc")) == [b"abc"]
    with pytest.raises(RemoteProtocolError, match="1 to 3 bytes, got a length of 4"):
        Deframer(max_frame=3).feed(framed(b"abcd"))


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (b"\x00", "after 1 of 4 header bytes"),
        (framed(b"abc")[:4], "after 0 of 3 bytes of a frame"),
        (framed(b"abc")[:6], "after 2 of 3 bytes of a frame"),
        (framed(b"abc") + b"\x00\x00", "after 2 of 4 header bytes"),
    ],
)
def test_an_end_inside_a_frame_is_an_error(held: bytes, said: str) -> None:
    deframer = Deframer()
    deframer.feed(held)
    with pytest.raises(RemoteProtocolError, match=said):
        deframer.close()


def test_an_end_between_frames_is_none() -> None:
    deframer = Deframer()
    deframer.close()
    deframer.feed(framed(b"abc"))
    deframer.close()


@pytest.mark.parametrize("size", [0, MAX_FRAME + 1])
def test_what_no_frame_can_hold_is_refused_before_it_is_sent(size: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"1 to 16777216 bytes, not {size}"):
        frame(bytes(size))


@pytest.mark.parametrize("piece", [1, 1000, 65_536])
def test_no_byte_is_taken_apart_more_than_twice(piece: int, monkeypatch: Any) -> None:
    """A buffer that were gone through again at every piece would make the work quadratic."""
    taken_apart = 0
    split = Deframer._split

    def counting(self: Deframer, data: bytes) -> list[bytes]:
        nonlocal taken_apart
        taken_apart += len(data)
        return split(self, data)

    monkeypatch.setattr(Deframer, "_split", counting)
    stream = framed(bytes(200_000)) + framed(b"abc") * 1000 + framed(bytes(100_000))
    deframer = Deframer()
    pieces = (stream[i : i + piece] for i in range(0, len(stream), piece))
    assert sum(len(deframer.feed(data)) for data in pieces) == 1002
    # A frame may begin in one piece and end in another: those bytes are gone through again.
    assert taken_apart <= 2 * len(stream)


def test_thousands_of_frames_in_one_receive() -> None:
    data = framed(b"abc") * 100_000
    assert Deframer().feed(data) == [b"abc"] * 100_000
