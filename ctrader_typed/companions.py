"""How this package gets at `mockserver` and `codegen`, which come with it under names of their own.

Imports neither before it is asked to, and says so when a module of somebody else hides one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any


class Hidden(ImportError):
    """Another module has the name of ours."""


def load(module: str) -> Any:
    """A module of ours, such as "mockserver.box"; Hidden names what hides it, and what to do."""
    package = module.partition(".")[0]
    ours = Path(__file__).parent.parent / package
    found = import_module(package)
    if str(ours) not in getattr(found, "__path__", ()):
        where = getattr(found, "__file__", None) or next(iter(getattr(found, "__path__", ())), "?")
        raise Hidden(
            f"the `{package}` that comes with ctrader_typed is hidden by {where}: rename that, or "
            "put its folder behind the installed packages in sys.path"
        )
    return import_module(module)


def mock() -> int:
    """The command `ctrader-mock`, which is `python -m mockserver`."""
    return _main("mockserver.__main__")


def codegen() -> int:
    """The command `ctrader-codegen`, which is `python -m codegen`."""
    return _main("codegen.__main__")


def _main(module: str) -> int:
    try:
        status: int = load(module).main()
    except Hidden as error:
        sys.exit(str(error))
    return status
