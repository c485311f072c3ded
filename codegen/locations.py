"""Where the elements of a compiled file stand, and what their comments say."""

from __future__ import annotations

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from .errors import Place

# The parts of a file, a message and an enum, as protoc counts them: see descriptor.proto.
DEPENDENCY, MESSAGE, ENUM, SERVICE, FILE_EXTENSION = 3, 4, 5, 6, 7
FIELD, NESTED_MESSAGE, NESTED_ENUM, EXTENSION_RANGE, EXTENSION, ONEOF = 2, 3, 4, 5, 6, 8
VALUE = 2


class Locations:
    """Finds the elements of a file by protoc's path to them, for example (MESSAGE, 3, FIELD, 0)."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self._file = file.name
        self._by_path = {tuple(at.path): at for at in file.source_code_info.location}

    def place(self, *path: int) -> Place:
        """The line on which an element begins."""
        at = self._by_path.get(path)
        return Place(self._file, at.span[0] + 1 if at is not None else 0)

    def comment(self, *path: int) -> str:
        """The comment before an element, or else the one behind it; its lines as they were."""
        at = self._by_path.get(path)
        if at is None:
            return ""
        lines = (at.leading_comments or at.trailing_comments).splitlines()
        # Of `/**`, `///` and `//!`, protoc leaves the last character.
        return "\n".join(line.lstrip("*/!").strip() for line in lines).strip()
