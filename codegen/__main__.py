"""`python -m codegen`."""

from __future__ import annotations

from pathlib import Path

from .build import build
from .descriptors import compile_protos
from .render import render


def main() -> None:
    """Generate ctrader_typed/proto from protos/."""
    root = Path(__file__).parent.parent
    protos = root / "protos"
    schema = build(compile_protos(protos), (protos / "RELEASE").read_text().strip())
    out = root / "ctrader_typed" / "proto"
    out.mkdir(exist_ok=True)
    for path, text in render(schema).items():
        (out / path).write_text(text)
        print(path, len(text.splitlines()), "lines")


if __name__ == "__main__":
    main()
