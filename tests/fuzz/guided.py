"""`python -m tests.fuzz.guided TARGET SECONDS`: one target under atheris, guided by coverage.

Its own program, because atheris instruments modules as they are imported and ends the process.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["ctrader_typed"]):
    from tests.fuzz.inputs import inputs
    from tests.fuzz.targets import TARGETS


def main(target: str, seconds: int) -> None:
    """Fuzz until the time is up; atheris exits with another status when a promise is broken."""
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(itertools.islice(inputs(target, Random(1)), 2_000)):
            (Path(folder) / f"{number:05}").write_bytes(data)
        limits = [
            f"-max_total_time={seconds}",
            "-max_len=4096",
            f"-artifact_prefix={tempfile.gettempdir()}/",
        ]
        atheris.Setup([sys.argv[0], *limits, folder], TARGETS[target])
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
