"""Names of symbols and assets: found without case, slash and dot, and the nearest ones."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(what: str, key: str | int, names: Iterable[str]) -> str:
    """What to say of a symbol or an asset that there is not, with the names spelt alike."""
    if not isinstance(key, str):
        return f"there is no {what} with the id {key}"
    plain: dict[str, list[str]] = {}
    for name in names:
        plain.setdefault(_plain(name), []).append(name)
    near = [
        name for each in get_close_matches(_plain(key), plain, cutoff=0.6) for name in plain[each]
    ]
    return f"there is no {what} {key!r}; spelt alike: {', '.join(near) or 'none'}"


def loose(name: str) -> str:
    """A name without case, slashes and dots.

    >>> loose("EUR/USD"), loose("eurusd"), loose("US.500")
    ('eurusd', 'eurusd', 'us500')
    """
    return name.replace("/", "").replace(".", "").casefold()


def _plain(name: str) -> str:
    """EUR/USD and eurusd are meant to be EURUSD."""
    return "".join(filter(str.isalnum, name)).upper()
