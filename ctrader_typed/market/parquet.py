"""Parquet files, written small through pyarrow. Knows no table of ours and no folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from .extras import extra

_LEVEL = 9  # of zstd: beyond it the files hardly shrink


def write(table: Any, path: str, encodings: Mapping[str, str] | None = None) -> None:
    """Write a pyarrow table to a file. `encodings` are those of columns that are
    better off with another one than numbers that differ little from one to the next.

    Raises MissingLibrary, OSError.
    """
    of_column = {
        field.name: "PLAIN" if str(field.type) == "double" else "DELTA_BINARY_PACKED"
        for field in table.schema
    }
    of_column |= encodings or {}
    dictionaries = [name for name, each in of_column.items() if each == "DICTIONARY"]
    parquet().write_table(
        table,
        path,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=dictionaries or False,
        column_encoding={k: v for k, v in of_column.items() if k not in dictionaries},
        store_decimal_as_integer=True,
        write_statistics=True,
    )


def parquet() -> Any:
    """pyarrow.parquet; raises MissingLibrary."""
    with extra("parquet"):
        return import_module("pyarrow.parquet")
