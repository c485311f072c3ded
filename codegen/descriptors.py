"""A folder of .proto files → protoc's FileDescriptorSet, comments included. Interprets nothing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from .errors import SchemaError


def compile_protos(folder: Path) -> FileDescriptorSet:
    """Compile every .proto file directly in `folder`.

    Raises SchemaError with protoc's own words if the folder holds none or they do not compile.
    """
    files = sorted(path.name for path in folder.glob("*.proto"))
    if not files:
        raise SchemaError(f"no .proto files in {folder}")
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "schema.bin"
        command = [
            *(sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={folder}"),
            *("--include_imports", "--include_source_info", f"--descriptor_set_out={out}"),
            *files,
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise SchemaError(result.stderr.strip())
        return FileDescriptorSet.FromString(out.read_bytes())
