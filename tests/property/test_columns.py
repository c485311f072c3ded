"""Rows of numbers as columns: every way gives what the messages give, or says so and gives way."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.errors import DecodeError
from ctrader_typed.message import Message, codec, numpy_columns
from ctrader_typed.message.columns import (
    MANY,
    Columns,
    Way,
    by_way,
    decode_columns,
    layout_of,
    plainly,
    transposed,
)
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOADealListRes,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsRes,
    ProtoOATickData,
    ProtoOATrendbar,
    ProtoOATrendbarPeriod,
)
from tests.property.strategies import messages, unknown_fields, varint

WAYS: dict[str, Way] = {"plainly": plainly, "numpy": numpy_columns.read_rows}
if find_spec("ctrader_typed.message.rows") is not None:
    WAYS["compiled"] = import_module("ctrader_typed.message.rows").read_rows
ANSWERS = (ProtoOAGetTrendbarsRes, ProtoOAGetTickDataRes)

each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def bars(count: int, **also: Any) -> ProtoOAGetTrendbarsRes:
    rows = [
        ProtoOATrendbar(
            volume=2 + minute % 300,
            low=112_000 + minute % 77,
            delta_open=minute % 11,
            delta_close=minute % 13,
            delta_high=minute % 190,
            utc_timestamp_in_minutes=29_000_000 + minute,
        )
        for minute in range(count)
    ]
    return ProtoOAGetTrendbarsRes(
        ctid_trader_account_id=1,
        period=ProtoOATrendbarPeriod.M1,
        trendbar=rows,
        symbol_id=1,
        has_more=True,
        **also,
    )


def ticks(count: int) -> ProtoOAGetTickDataRes:
    rows = [ProtoOATickData(timestamp=1_789_763_387_232, tick=114_880)]
    rows += [ProtoOATickData(timestamp=-n % 700 - 700, tick=n % 5 - 2) for n in range(count - 1)]
    return ProtoOAGetTickDataRes(ctid_trader_account_id=1, tick_data=rows, has_more=False)


def through_messages(cls: type[Any], data: bytes) -> Columns[Any]:
    return transposed(cls, cls.FromString(data))


def tried(way: Way, cls: type[Any], data: bytes) -> Columns[Any] | None:
    layout = layout_of(cls)
    assert layout is not None
    return by_way(way, layout, cls, data, codec.decode)


def test_the_answers_with_rows_of_numbers_are_found_by_their_shape() -> None:
    found = {m.__name__ for m in SCHEMA.responses.values() if layout_of(m) is not None}
    assert found == {
        "ProtoOAExpectedMarginRes",
        "ProtoOAGetPositionUnrealizedPnLRes",
        "ProtoOAGetTickDataRes",
        "ProtoOAGetTrendbarsRes",
    }
    assert layout_of(ProtoOADealListRes) is None
    with pytest.raises(TypeError, match="ProtoOADealListRes is no answer with rows"):
        decode_columns(ProtoOADealListRes, b"", codec.decode)


@each_way
@pytest.mark.parametrize("answer", [bars(1), bars(2), bars(700), ticks(1), ticks(2), ticks(900)])
def test_what_servers_write_is_taken_by_each_way(way: Way, answer: Message) -> None:
    cls, data = type(answer), bytes(answer)
    columns = tried(way, cls, data)
    assert columns is not None
    assert columns == through_messages(cls, data)
    assert columns.columns.keys() == {f.name for f in layout_of(cls).fields}  # type: ignore[union-attr]


def test_columns_are_raw_numbers_by_name() -> None:
    columns = decode_columns(ProtoOAGetTrendbarsRes, bytes(bars(3)), codec.decode)
    assert len(columns) == 3
    assert columns["low"].typecode == "q"
    assert columns["low"].tolist() == [112_000, 112_001, 112_002]
    assert columns["period"].tolist() == [0, 0, 0]
    assert columns.reply == bars(0)


@pytest.mark.parametrize("count", [0, 1, MANY])
def test_short_and_long_answers_read_alike(count: int) -> None:
    for answer in (bars(count), ticks(count)):
        cls, data = type(answer), bytes(answer)
        assert decode_columns(cls, data, codec.decode) == through_messages(cls, data)


@given(st.sampled_from(ANSWERS).flatmap(messages))
def test_any_answer_reads_as_through_messages(answer: Message) -> None:
    check_all_ways(type(answer), bytes(answer))


@given(st.integers(1, 5), st.data())
def test_mutated_answers_read_as_through_messages(count: int, draw: st.DataObject) -> None:
    data = bytearray(bytes(bars(count)))
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(data) - 1))
        data[at : at + draw.draw(st.integers(0, 2))] = draw.draw(st.binary(max_size=2))
    check_all_ways(ProtoOAGetTrendbarsRes, bytes(data))


@given(st.lists(st.sampled_from([bytes(bars(2)), bytes(ticks(2))]) | unknown_fields(), max_size=4))
def test_rows_in_pieces_read_as_through_messages(pieces: list[bytes]) -> None:
    for cls in ANSWERS:
        check_all_ways(cls, b"".join(pieces))


def check_all_ways(cls: type[Any], data: bytes) -> None:
    """The same columns, or the same error."""
    try:
        expected: Columns[Any] | DecodeError = through_messages(cls, data)
    except DecodeError as error:
        expected = error
    for way in WAYS.values():
        columns = tried(way, cls, data)
        assert columns is None or columns == expected
    if isinstance(expected, DecodeError):
        with pytest.raises(DecodeError) as raised:
            decode_columns(cls, data, codec.decode)
        assert str(raised.value) == str(expected)
    else:
        assert decode_columns(cls, data, codec.decode) == expected


@each_way
def test_a_row_whose_length_lies_is_not_taken(way: Way) -> None:
    row = b"\x08\x01\x10\x02"
    for length in (b"\x03", b"\x05", b"\x00"):
        data = b"\x10\x01\x1a" + length + row + b"\x1a\x04" + row + b"\x20\x00"
        assert tried(way, ProtoOAGetTickDataRes, data) is None


def test_a_length_may_take_more_bytes_than_it_needs() -> None:
    check_all_ways(ProtoOAGetTickDataRes, b"\x10\x01\x1a\x84\x00\x08\x01\x10\x02\x20\x00")


@each_way
def test_two_lies_that_cancel_are_not_taken(way: Way) -> None:
    rows = b"\x1a\x05\x08\x01\x10\x02\x1a\x03\x08\x01\x10\x02"
    assert tried(way, ProtoOAGetTickDataRes, b"\x10\x01" + rows + b"\x20\x00") is None


@each_way
@pytest.mark.parametrize("value", [1 << 63, (1 << 64) - 1])
def test_what_does_not_fit_in_a_column_is_refused(way: Way, value: int) -> None:
    answer = bars(2)
    answer.trendbar[1].delta_high = value
    data = bytes(answer)
    assert tried(way, ProtoOAGetTrendbarsRes, data) is None
    with pytest.raises(DecodeError, match=rf"trendbar\[1\].delta_high: {value} does not fit"):
        decode_columns(ProtoOAGetTrendbarsRes, data, codec.decode)


@each_way
def test_numbers_of_32_bits_with_more_are_left_to_the_messages(way: Way) -> None:
    minutes = varint((1 << 32) + 5)
    row = b"\x18\x01\x48" + minutes
    data = b"\x10\x01\x18\x01\x2a" + varint(len(row)) + row
    assert tried(way, ProtoOAGetTrendbarsRes, data) is None
    columns = decode_columns(ProtoOAGetTrendbarsRes, data, codec.decode)
    assert columns["utc_timestamp_in_minutes"].tolist() == [5]
