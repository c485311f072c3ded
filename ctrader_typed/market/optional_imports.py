"""Libraries that are extras: imported where they are used, and asked for by name if missing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from ..errors import MissingLibrary


@contextmanager
def import_extra(name: str) -> Generator[None]:
    """Around the imports of what an extra of this package brings; raises MissingLibrary."""
    try:
        yield
    except ImportError as error:
        missing = f"this needs {error.name}: " if error.name else ""
        raise MissingLibrary(f'{missing}pip install "ctrader-typed[{name}]"') from error
