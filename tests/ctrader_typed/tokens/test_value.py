"""Tokens as a value: when they are due, and that they are hard to leak."""

import copy
import dataclasses
import pickle
import traceback

import pytest

from ctrader_typed.tokens import Kept, Tokens

DAY = 86_400.0
TOKENS = Tokens.granted(
    access_token="canary-a", refresh_token="canary-r", expires_in=30 * DAY, now=1e9, scope="trading"
)


def test_when_they_end() -> None:
    assert (TOKENS.issued_at, TOKENS.expires_at) == (1e9, 1e9 + 30 * DAY)


@pytest.mark.parametrize(
    ("lifetime", "ahead", "due_after"),
    [(30 * DAY, DAY, 29 * DAY), (60.0, DAY, 54.0), (30 * DAY, 0.0, 30 * DAY)],
)
def test_when_they_are_due(lifetime: float, ahead: float, due_after: float) -> None:
    tokens = dataclasses.replace(TOKENS, expires_at=TOKENS.issued_at + lifetime)
    assert tokens.due_at(ahead) - tokens.issued_at == pytest.approx(due_after)


def test_no_text_of_them_shows_a_token() -> None:
    kept = Kept(TOKENS, 5.0)
    for text in (repr(TOKENS), str(TOKENS), f"{TOKENS}", f"{TOKENS!r:>9}", repr(kept), f"{[kept]}"):
        assert "canary" not in text
    assert repr(TOKENS) == "Tokens('***', '***', expires_at=2001-10-09 01:46:40Z, scope='trading')"


def test_they_cannot_be_pickled() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="keep them in a TokenStore") as caught:
            pickle.dumps({"all": [TOKENS]}, protocol)
        assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_they_can_be_copied_and_compared() -> None:
    assert copy.copy(TOKENS) is copy.deepcopy(TOKENS) is TOKENS
    assert dataclasses.replace(TOKENS) == TOKENS
    assert dataclasses.replace(TOKENS, scope=None) != TOKENS
    with pytest.raises(dataclasses.FrozenInstanceError):
        TOKENS.access_token = "x"  # type: ignore[misc]  # what is tested
