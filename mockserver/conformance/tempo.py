"""The same faults on a faster clock: for clients whose own times can be made shorter too. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..faults.effects import Effect
from ..faults.plan import Fault

_TIMES = frozenset({"seconds", "pause"})


def hurried(fault: Fault, tempo: float) -> Fault:
    """The fault, with `tempo` seconds for each of its own. What it tells the client stays as is."""
    return dataclasses.replace(
        fault, after=fault.after * tempo, effect=_hurried(fault.effect, tempo)
    )


def _hurried(effect: Effect, tempo: float) -> Effect:
    values: dict[str, Any] = {f.name: getattr(effect, f.name) for f in dataclasses.fields(effect)}
    times = {
        name: value * tempo
        for name, value in values.items()
        if name in _TIMES and value is not None
    }
    return dataclasses.replace(effect, **times)
