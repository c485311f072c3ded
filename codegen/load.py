"""A folder of .proto files → what it declares, or the schema that the emitters read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .build import Built, build, declare
from .errors import Repair, SchemaError, UsageError
from .model import Declared
from .repair import Numbers, compile_explained
from .sources import read_release, read_sources


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a schema is, and how it is to be read.

    `numbers_from` is another schema that tells lost numbers; it counts only with `repair`.
    """

    path: Path
    release: str | None = None
    repair: bool = False
    numbers_from: Path | None = None


def load_schema(folder: Folder, *, committed: bool = False) -> Built:
    """The schema of a folder; SchemaError tells everything that stands in the way."""
    sources = read_sources(folder.path)
    release = read_release(folder.path, folder.release)
    descriptors, repairs = compile_explained(sources, _numbers(folder))
    built = build(descriptors, sources.texts, release, repair=folder.repair, committed=committed)
    return Built(built.schema, (*repairs, *built.repairs))


def load_declared(folder: Folder) -> tuple[Declared, tuple[Repair, ...]]:
    """What a folder declares, whether or not every request in it has a known answer."""
    sources = read_sources(folder.path)
    release = read_release(folder.path, folder.release)
    descriptors, repairs = compile_explained(sources, _numbers(folder))
    declared, problems = declare(descriptors, sources.texts, release)
    if problems:
        raise SchemaError(problems)
    return declared, repairs


def _numbers(folder: Folder) -> Numbers | None:
    """The numbers to repair with; None if nothing is to be repaired."""
    if not folder.repair:
        return None
    other = folder.numbers_from
    if other is None or other.resolve() == folder.path.resolve():
        return Numbers("", {})
    try:
        descriptors, _ = compile_explained(read_sources(other))
    except SchemaError as error:
        raise UsageError(f"{other} tells no numbers: it does not compile\n{error}") from None
    release = read_release(other, None)
    return Numbers.read(
        f"{other.name}" if release == "unknown" else f"release {release}", descriptors
    )
