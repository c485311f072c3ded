"""`python -m tests.fuzz --minutes 10`: the targets over fresh inputs until the time is up.

Uses atheris, which looks for inputs that reach new lines, where it is installed; otherwise (or with
`--blind`) the seeded driver of the gate with new seeds. Exits 1 at the first input that
breaks a promise, and prints it in hexadecimal.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
from importlib.util import find_spec

from tests.fuzz import driver
from tests.fuzz.targets import TARGETS

BATCH = 2_000


def main() -> int:
    """Read the arguments, fuzz, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default 1)")
    parser.add_argument("--target", choices=sorted(TARGETS), help="only this one (default all)")
    parser.add_argument("--seed", type=int, help="where the driver begins (default: the clock)")
    parser.add_argument("--blind", action="store_true", help="the driver even if there is atheris")
    parser.add_argument("--input", metavar="HEX", help="try this one input of --target and stop")
    options = parser.parse_args()
    targets = [options.target] if options.target else list(TARGETS)
    if options.input is not None:
        for target in targets:
            TARGETS[target](bytes.fromhex(options.input))
        return 0
    if not options.blind and find_spec("atheris") is not None:
        return _guided(targets, options.minutes * 60)
    seed = time.time_ns() if options.seed is None else options.seed
    return _blind(targets, seed, options.minutes * 60)


def _blind(targets: list[str], first_seed: int, seconds: float) -> int:
    end, done = time.monotonic() + seconds, dict.fromkeys(targets, 0)
    for turn in itertools.count():
        target = targets[turn % len(targets)]
        try:
            done[target] += driver.run(target, first_seed + turn, BATCH)
        except driver.Failure as failure:
            cause = failure.__cause__
            sys.stderr.write(f"{failure}\n{type(cause).__name__}: {cause}\n")
            return 1
        if turn + 1 >= len(targets) and time.monotonic() > end:
            break
    for target, count in done.items():
        sys.stdout.write(f"{target:12}{count:12,} inputs, every promise kept\n")
    return 0


def _guided(targets: list[str], seconds: float) -> int:
    """A process for each target, one after another: atheris ends the process that it runs in."""
    share = max(1, round(seconds / len(targets)))
    for target in targets:
        command = [sys.executable, "-m", "tests.fuzz.guided", target, str(share)]
        if subprocess.run(command, check=False).returncode != 0:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
