"""A list that was given as one value: the field is named, and what to write."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed import EncodeError, InvalidValue, ProtoOASubscribeSpotsReq
from ctrader_typed.api import Api
from ctrader_typed.message import listed


class Asked(Exception):
    """What was asked."""


class Asking(Api):
    """A client that sends nothing."""

    def __init__(self) -> None:
        """Without a connection."""

    async def request(self, request: Any) -> Any:
        raise Asked(request)


@pytest.mark.parametrize(
    ("wrong", "shown"), [(1, "1 (int)"), ("1", "'1' (str)"), (None, "None (NoneType)"), (b"1", "b")]
)
async def test_one_value_for_a_list_is_refused_and_the_field_named(wrong: Any, shown: str) -> None:
    for method in (Asking().subscribe_spots, Asking().symbol_by_id, Asking().unsubscribe_spots):
        with pytest.raises(InvalidValue) as caught:
            await method(ctid_trader_account_id=1, symbol_id=wrong)
        assert str(caught.value).startswith(f"symbol_id = {shown}")
        assert str(caught.value).endswith(f": expected a list, such as symbol_id=[{wrong!r}]")


async def test_several_values_of_any_kind_are_a_list() -> None:
    for several in ([1, 2], (1, 2), {1: "a", 2: "b"}, range(1, 3), iter([1, 2])):
        with pytest.raises(Asked) as caught:
            await Asking().subscribe_spots(ctid_trader_account_id=1, symbol_id=several)
        assert caught.value.args[0].symbol_id == [1, 2]
    assert listed((), "symbol_id") == []


def test_a_message_with_one_value_names_the_field_when_it_is_written() -> None:
    wrong: Any = 1
    with pytest.raises(EncodeError, match=r"ProtoOASubscribeSpotsReq.symbol_id: expected a list"):
        bytes(ProtoOASubscribeSpotsReq(ctid_trader_account_id=1, symbol_id=wrong))
