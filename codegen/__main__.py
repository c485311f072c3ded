"""`python -m codegen`: runs a command and prints what it has to say."""

from __future__ import annotations

import sys

try:
    from .commands import run
except ModuleNotFoundError as error:  # what the client does not need is an extra
    print(
        f"python -m codegen: {error.name} is missing: pip install 'ctrader-typed[gen]'",
        file=sys.stderr,
    )
    sys.exit(2)


def main() -> int:
    """Run what the command line asks for; the exit status."""
    outcome = run(sys.argv[1:])
    if outcome.out:
        print(outcome.out)
    if outcome.err:
        print(outcome.err, file=sys.stderr)
    return outcome.status


if __name__ == "__main__":
    sys.exit(main())
