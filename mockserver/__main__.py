"""`python -m mockserver`: which command it is. Knows none of them before it is called."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from .cli import console


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        if arguments[:1] == ["record"]:
            from .cli import record  # noqa: PLC0415 - one command need not load the other

            return record.run(arguments[1:])
        if arguments[:1] == ["conformance"]:
            from .cli import conformance  # noqa: PLC0415 - one command need not load the other

            return conformance.run(arguments[1:])
        from .cli import serve  # noqa: PLC0415 - one command need not load the other

        return serve.run(arguments)
    except console.CannotStart as error:
        console.tell(f"mockserver: {error}")
        return console.CANNOT_START
    except KeyboardInterrupt:
        return console.STOPPED + signal.SIGINT


def _terminated(number: int, _: object) -> NoReturn:
    """SIGTERM before there is a loop to hear it."""
    sys.exit(console.STOPPED + number)


if __name__ == "__main__":
    sys.exit(main())
