"""The command line: what can be asked, and what goes together. Does nothing of it."""

from __future__ import annotations

import argparse
import keyword
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import UsageError
from .load import Folder

ROOT = Path(__file__).resolve().parent.parent
OUR_PROTOS = ROOT / "protos"
OUR_PACKAGE = "ctrader_typed.proto"

EXAMPLES = """\
examples:
  python -m codegen                   generate ctrader_typed/proto from protos/
  python -m codegen --check           is ctrader_typed/proto current? shows what differs
  python -m codegen --protos ~/openapi-proto-messages --out build --package openapi_head
                                      another release: importable from build, ours untouched
  python -m codegen --protos ~/openapi-proto-messages --out build --package openapi_head --repair
                                      the same, although it names enum values that are gone
  python -m codegen diff protos ~/openapi-proto-messages
                                      what changed, and what of it breaks a client

exit status: 0 done, or current; 1 the schema has problems, or the output is not current;
2 the command cannot be carried out.
"""

DIFF_EXAMPLES = """\
exit status: 0 nothing breaks a client; 1 something does, or a schema has problems;
2 the command cannot be carried out.
"""


@dataclass(frozen=True, slots=True)
class Generate:
    """Generate a package, or check that it is current; `committed` is this repository's own."""

    schema: Folder
    package: str
    target: Path
    committed: bool
    check: bool


@dataclass(frozen=True, slots=True)
class Diff:
    """Compare two schemas."""

    old: Folder
    new: Folder
    as_json: bool


def parse(arguments: Sequence[str]) -> Generate | Diff:
    """What the arguments ask for; UsageError, or argparse's exit, if it makes no sense."""
    options = _parser().parse_args(arguments)
    if options.command == "diff":
        return Diff(
            Folder(options.old, None, options.repair, options.numbers_from),
            Folder(options.new, None, options.repair, options.numbers_from),
            options.json,
        )
    return _generate(options)


def _generate(options: argparse.Namespace) -> Generate:
    protos: Path = options.protos or OUR_PROTOS
    out: Path | None = options.out
    package: str | None = options.package
    elsewhere = protos.resolve() != OUR_PROTOS.resolve()
    if (out is None) != (package is None):
        raise UsageError("--out and --package go together: DIR/NAME is where the package goes")
    if out is None and elsewhere:
        raise UsageError(
            f"--protos {protos} needs --out DIR and --package NAME: ctrader_typed/proto is only "
            "ever generated from protos/"
        )
    package = package or OUR_PACKAGE
    target = (out or ROOT).joinpath(*package.split("."))
    committed = target.resolve() == ROOT.joinpath(*OUR_PACKAGE.split("."))
    if committed and elsewhere:
        raise UsageError(f"{target} is only ever generated from protos/: choose another --out")
    if not committed:
        _check_package(package)
    schema = Folder(protos, options.release, options.repair, options.numbers_from or OUR_PROTOS)
    return Generate(schema, package, target, committed, options.check)


def _check_package(package: str) -> None:
    parts = package.split(".")
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise UsageError(f"--package {package}: Python cannot import a package of that name")
    if parts[0] in {"betterproto", "codegen", "ctrader_typed", "google", "mockserver"}:
        raise UsageError(f"--package {package}: {parts[0]} is needed as it is; choose another name")
    if parts[0] in sys.stdlib_module_names:
        raise UsageError(f"--package {package}: {parts[0]} is in Python's standard library")


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m codegen",
        description="Generates typed bindings from the .proto files of the cTrader Open API.",
        epilog=EXAMPLES,
        formatter_class=raw,
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 with a diff if not current"
    )
    parser.add_argument(
        "--protos", metavar="DIR", type=Path, help="the folder of .proto files (default: protos/)"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="the folder that gets the package; put it on sys.path",
    )
    parser.add_argument(
        "--package", metavar="NAME", help="the package's name; a dotted one makes folders"
    )
    parser.add_argument(
        "--release", metavar="TEXT", help="what release this is, if no RELEASE file says it"
    )
    _add_repair(parser, "protos/")
    commands = parser.add_subparsers(dest="command", metavar="diff OLD NEW", title="compare")
    diff = commands.add_parser(
        "diff",
        help="what changed between two schemas, and what of it breaks a client",
        description="Compares two folders of .proto files.",
        epilog=DIFF_EXAMPLES,
        formatter_class=raw,
    )
    diff.add_argument("old", metavar="OLD", type=Path)
    diff.add_argument("new", metavar="NEW", type=Path)
    diff.add_argument("--json", action="store_true", help="for machines")
    _add_repair(diff, "none, so that what is lost shows as lost")
    return parser


def _add_repair(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--repair",
        action="store_true",
        help="go on although defaults name lost enum values; says how",
    )
    parser.add_argument(
        "--numbers-from",
        metavar="DIR",
        type=Path,
        help=f"with --repair: the schema that has the lost numbers (default: {default})",
    )
