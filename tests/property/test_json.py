"""Our JSON is what google.protobuf reads as the same message, and the other way round."""

from __future__ import annotations

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrader_typed.message import Message
from tests.property.strategies import messages
from tests.support import oracle

SHARE = settings(max_examples=max(10, settings.default.max_examples // 10))

classes = pytest.mark.parametrize("cls", oracle.MESSAGES, ids=lambda cls: cls.__name__)


@classes
@SHARE
@given(data=st.data())
def test_json_is_read_alike(cls: type[Message], data: st.DataObject) -> None:
    """Enums are numbers on both sides; google's writer quotes 64-bit integers, which ours reads."""
    ours = data.draw(messages(cls))
    theirs = json_format.Parse(ours.to_json(), oracle.plain_class(cls)())
    assert oracle.ours_from(theirs, cls) == ours
    assert cls.from_json(json_format.MessageToJson(theirs)) == ours
    assert cls.from_json(ours.to_json(), strict=True) == ours
    assert cls.from_dict(ours.to_pydict()) == ours


@classes
@SHARE
@given(data=st.data())
def test_names_of_enum_values_are_read(cls: type[Message], data: st.DataObject) -> None:
    ours = data.draw(messages(cls, named=True))
    theirs = oracle.google_class(cls).FromString(bytes(ours))
    assert cls.from_json(json_format.MessageToJson(theirs)) == ours
