"""The .proto files of a folder, as text. Understands nothing of them but their imports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import UsageError
from .scan import scan


@dataclass(frozen=True, slots=True)
class Sources:
    """Texts by file name, as an `import` spells it; `roots` are the files of the folder itself."""

    folder: Path
    roots: tuple[str, ...]
    texts: Mapping[str, str]

    def edited(self, name: str, text: str) -> Sources:
        """The same files, one of them changed."""
        return replace(self, texts={**self.texts, name: text})


def read_sources(folder: Path) -> Sources:
    """Every .proto file directly in `folder`, and those below it that they import.

    Raises UsageError if there is none.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder of .proto files")
    roots = tuple(sorted(path.name for path in folder.glob("*.proto") if path.is_file()))
    if not roots:
        deeper = sorted({str(path.parent) for path in folder.glob("*/*.proto")})
        hint = f"; there are some in {', '.join(deeper)}" if deeper else ""
        raise UsageError(f"no .proto files in {folder}{hint}")
    texts: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        path = folder / name
        # protoc refuses imports that climb out; so the texts of such files are not wanted either.
        climbs = ".." in Path(name).parts or Path(name).is_absolute()
        if name not in texts and not climbs and path.is_file():
            # Comments in an odd encoding are no reason to fail; protoc judges everything else.
            texts[name] = path.read_text(encoding="utf-8-sig", errors="replace")
            waiting += scan(texts[name]).imports
    return Sources(folder, roots, texts)


def read_release(folder: Path, given: str | None) -> str:
    """The release that the RELEASE file beside the .proto files names, else the given one."""
    path = folder / "RELEASE"
    if not path.is_file():
        return given or "unknown"
    release = path.read_text(encoding="utf-8").strip()
    if given is not None and given != release:
        raise UsageError(f"--release says {given}, but {path} says {release}")
    if not release or not release.isprintable():
        raise UsageError(f"{path}: expected one line that names the release")
    return release
