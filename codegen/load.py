"""A folder of .proto files → what it declares, or the schema that the emitters read."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from .build import Built, build, declare
from .errors import Repair, SchemaError, UsageError
from .model import Declared
from .repair import Numbers, compile_explained
from .sources import Sources, read_release, read_sources


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
    with _named(folder.path):
        sources, descriptors, repairs = _compiled(folder)
        release = read_release(folder.path, folder.release)
        built = build(
            descriptors, sources.texts, release, repair=folder.repair, committed=committed
        )
        return Built(built.schema, (*repairs, *built.repairs))


def load_declared(folder: Folder) -> tuple[Declared, tuple[Repair, ...]]:
    """What a folder declares, whether or not every request in it has a known answer."""
    with _named(folder.path):
        sources, descriptors, repairs = _compiled(folder)
        release = read_release(folder.path, folder.release)
        declared, problems = declare(descriptors, sources.texts, release)
        if problems:
            raise SchemaError(sorted(problems, key=lambda problem: problem.place))
        return declared, repairs


def _compiled(folder: Folder) -> tuple[Sources, FileDescriptorSet, tuple[Repair, ...]]:
    sources = read_sources(folder.path)
    descriptors, repairs = compile_explained(sources, _numbers(folder))
    return sources, descriptors, repairs


@contextmanager
def _named(path: Path) -> Generator[None]:
    """Tells a SchemaError whose it is."""
    try:
        yield
    except SchemaError as error:
        error.folder = str(path)
        raise


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
        raise UsageError(f"{other} tells no numbers, for it does not compile:\n{error}") from None
    release = read_release(other, None)
    origin = str(other) if release == "unknown" else f"release {release}"
    return Numbers.read(origin, descriptors)
