"""The texts of .proto files → protoc's FileDescriptorSet, comments included. Interprets nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from .errors import Place, UsageError
from .sources import Sources

_ERROR = re.compile(r"(?P<file>[^:\n]+\.proto)(?::(?P<line>\d+):\d+)?: (?P<words>.*)")
_IMPORT = re.compile(r'Import "([^"]+)" was not found or had errors\.')
_CASCADE = re.compile(r'"[\w.]+" (is not defined\.|seems to be defined in )')


@dataclass(frozen=True, slots=True)
class CompileError:
    """One complaint, in protoc's own words."""

    place: Place
    words: str


def compile_sources(sources: Sources) -> FileDescriptorSet | list[CompileError]:
    """The descriptors of all files, or protoc's complaints about the first file that it refuses."""
    if find_spec("grpc_tools") is None:
        raise UsageError("grpcio-tools, which brings protoc, is missing: pip install grpcio-tools")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, text in sources.texts.items():
            path = folder / "protos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        out = folder / "schema.bin"
        command = [
            *(sys.executable, "-P", "-m", "grpc_tools.protoc", "--proto_path=."),
            *("--include_imports", "--include_source_info", f"--descriptor_set_out={out}"),
            *sources.roots,
        ]
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder / "protos"
        )
        if result.returncode == 0:
            return FileDescriptorSet.FromString(out.read_bytes())
        return _complaints(result.stderr)


def _complaints(output: str) -> list[CompileError]:
    """protoc's errors without its warnings, and without what merely follows from another error."""
    found = [match for match in map(_ERROR.fullmatch, output.splitlines()) if match]
    errors = [
        CompileError(Place(match["file"], int(match["line"] or 0)), match["words"])
        for match in found
        if not match["words"].startswith("warning:")
    ]
    absent = {e.place.file for e in errors if e.words == "File not found."}
    importers = {e.place.file for e in errors if _IMPORT.fullmatch(e.words)}

    def is_cause(error: CompileError) -> bool:
        imported = _IMPORT.fullmatch(error.words)
        if imported:
            return imported[1] in absent
        follows = error.place.file in importers and _CASCADE.match(error.words)
        return error.place.file not in absent and not follows

    causes = [error for error in errors if is_cause(error)]
    return causes or errors or [CompileError(Place("protoc"), output.strip() or "failed silently")]
