"""Runs the targets over seeded inputs: the same seed and number give the same ones everywhere."""

from __future__ import annotations

import itertools
from random import Random

from tests.fuzz.inputs import inputs
from tests.fuzz.targets import TARGETS


class Failure(AssertionError):
    """A target raised; the text has what it takes to see it again."""


def run(target: str, seed: int, count: int) -> int:
    """Push `count` inputs through a target and return how many; Failure shows the bad one."""
    function = TARGETS[target]
    done = 0
    for data in itertools.islice(inputs(target, Random(f"{target} {seed}")), count):
        try:
            function(data)
        except Exception as error:
            raise Failure(f"{target!r}, seed {seed}, input {done}: {data.hex()}") from error
        done += 1
    return done
