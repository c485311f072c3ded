"""Parquet files, written small through pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from .optional_imports import import_extra

_LEVEL = 9  # of zstd: beyond it files shrink by a hundredth, and take twice as long


def write(table: Any, path: str, dictionaries: Sequence[str] = ()) -> None:
    """Write a pyarrow table to a file. Numbers are written as differences from one to the next, but
    for columns of which most numbers are the same: `dictionaries`.

    Raises MissingLibrary, OSError.
    """
    encodings = {
        field.name: "PLAIN" if str(field.type) == "double" else "DELTA_BINARY_PACKED"
        for field in table.schema
        if field.name not in dictionaries
    }
    parquet().write_table(
        table,
        path,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=[name for name in dictionaries if name in table.column_names] or False,
        column_encoding=encodings,
        store_decimal_as_integer=True,
        write_page_checksum=True,
    )


def parquet() -> Any:
    """pyarrow.parquet; raises MissingLibrary."""
    with import_extra("parquet"):
        return import_module("pyarrow.parquet")
