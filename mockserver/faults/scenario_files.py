"""Scenario files, and scenarios by name.

A scenario file is JSON: `{"note": "…", "seed": 1, "faults": [{"effect": "delay", "seconds": 2}]}`.
`effect` is a name out of `effects`, in snake case; its own values and those of a `Fault` stand
beside it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from ctrader_typed.proto import SCHEMA

from ..errors import ScenarioError
from ..handler import ConnectionGreeting
from ..recordings.placeholders import as_list, as_object, fill, normal
from ..recordings.session_file import Direction
from .effects import Answer, Effect, Inflate, Push, Throttle
from .plan import Fault
from .scenarios import SCENARIOS, Scenario


def scenario(name: str) -> Scenario:
    """A scenario by its name or by its file's; ScenarioError if it is neither."""
    if name in SCENARIOS:
        return SCENARIOS[name]
    path = Path(name)
    if not path.is_file():
        raise ScenarioError(f"there is neither a scenario nor a file called {name}")
    try:
        return read_scenario(json.loads(path.read_text(encoding="utf-8")), path.stem)
    except (OSError, ValueError, RecursionError) as error:
        raise ScenarioError(f"{name}: {error}") from None


def read_scenario(value: object, name: str) -> Scenario:
    """A scenario out of JSON; ValueError says what is wrong with it."""
    entry = as_object(value)
    faults = None if entry is None else as_list(entry.pop("faults", None))
    if entry is None or faults is None:
        raise ValueError("expected an object with a list of faults")
    note, seed = entry.pop("note", ""), entry.pop("seed", 0)
    if entry:
        raise ValueError(f"unknown {', '.join(map(repr, entry))}")
    if not isinstance(note, str) or not isinstance(seed, int):
        raise ValueError("expected a text as note and a number as seed")
    return Scenario(name, note, tuple(_numbered(faults)), seed)


def _numbered(faults: Iterable[object]) -> Iterable[Fault]:
    for number, value in enumerate(faults, 1):
        try:
            yield _fault(value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"fault {number}: {error}") from None


def _fault(value: object) -> Fault:
    entry = as_object(value)
    if entry is None:
        raise ValueError("expected an object")
    name = entry.pop("effect", None)
    cls = EFFECTS.get(name) if isinstance(name, str) else None
    if cls is None:
        raise ValueError(f"no effect {name!r}; there are {', '.join(EFFECTS)}")
    own = {f.name for f in dataclasses.fields(cls)}
    values = {key: _value(cls, key, entry.pop(key)) for key in list(entry) if key in own}
    rest = {key: _value(Fault, key, given) for key, given in entry.items()}
    effect = cls(**values)
    _check(effect)
    return Fault(effect, **rest)


def _check(effect: Any) -> None:
    """ValueError for an effect that could not happen when its time comes."""
    numbers = {f.name: getattr(effect, f.name) for f in dataclasses.fields(effect)}
    for key, value in numbers.items():
        if isinstance(value, (int, float)) and not -(2**31) <= value < 2**31:
            raise ValueError(f"{key}: expected a number below 2^31, got {value}")
        if key in ("seconds", "pause", "size", "copies") and value is not None and value < 0:
            raise ValueError(f"{key}: expected no negative number, got {value}")
    if isinstance(effect, Inflate) and effect.size > _INFLATED:
        raise ValueError(f"size: expected at most {_INFLATED}, got {effect.size}")
    if isinstance(effect, Throttle) and effect.size < 1:
        raise ValueError("size: expected at least 1")
    if isinstance(effect, Answer | Push) and isinstance(effect.message, str):
        message = SCHEMA.by_name.get(effect.message)
        if message is None:
            raise ValueError(f"message: there is no {effect.message}")
        fill(message, normal(message, effect.payload), {})


_INFLATED = 64 * 1024 * 1024


_KINDS: Mapping[str, Any] = {
    "float": (int, float),
    "int": int,
    "str": str,
    "bool": bool,
    "None": type(None),
}


def _value(cls: type[Any], key: str, given: Any) -> Any:
    """The value for a field of an effect or a fault; ValueError if it is of another kind."""
    declared = {f.name: str(f.type) for f in dataclasses.fields(cls)}.get(key)
    if declared is None:
        raise ValueError(f"unknown {key!r}")
    if declared.startswith("Mapping"):
        if as_object(given) is None:
            raise ValueError(f"{key}: expected an object")
        return given
    if declared.startswith("tuple"):
        return tuple(as_list(given) or ())
    if declared.startswith("Direction"):
        return Direction(given)
    if declared == "ConnectionGreeting":
        return ConnectionGreeting(given)
    kinds = tuple(_KINDS[part] for part in declared.split(" | "))
    if isinstance(given, bool) is not (bool in kinds) or not isinstance(given, kinds):
        raise ValueError(f"{key}: expected {declared}, got {given!r}")
    return given


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


EFFECTS: Mapping[str, type[Any]] = {_snake(cls.__name__): cls for cls in get_args(Effect)}
"""The effects by the names that they have in scenario files."""
