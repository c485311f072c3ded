"""The command line: what can be asked, and what goes together. Does nothing of it."""

from __future__ import annotations

import argparse
import keyword
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import UsageError
from .load import Folder

PROGRAM = "python -m codegen"
ROOT = Path(__file__).resolve().parent.parent
OUR_PROTOS = ROOT / "protos"
OUR_PACKAGE = "ctrader_typed.proto"

USAGE = """\
python -m codegen [--check] [--repair]
       python -m codegen --protos DIR --out DIR --package NAME [--check] [--repair] [--compile]
       python -m codegen diff OLD NEW [--json] [--repair]"""

EXAMPLES = """\
examples:
  python -m codegen                   generate ctrader_typed/proto from protos/
  python -m codegen --check           is ctrader_typed/proto current? shows what differs
  python -m codegen --protos ~/openapi-proto-messages --out build --package openapi_head
                                      another release: importable from build, ours untouched
  python -m codegen --protos ~/openapi-proto-messages --out build --package openapi_head --repair
                                      the same, although it names enum values that are gone
  python -m codegen --protos ~/openapi-proto-messages --out build --package openapi_head --compile
                                      the same with the compiled codec, for this Python
  python -m codegen diff protos ~/openapi-proto-messages
                                      what changed, and what of it breaks a client

exit status: 0 done, or current; 1 the schema has problems, or the output is not current;
2 the command cannot be carried out.
"""

DIFF_EXAMPLES = """\
Without --numbers-from, --repair puts no lost value back: what is lost shows as lost.

exit status: 0 nothing breaks a client; 1 something does, or a schema has problems;
2 the command cannot be carried out.
"""


@dataclass(frozen=True, slots=True)
class Generate:
    """Generate a package, or check that it is current; `committed` is this repository's own."""

    schema: Folder
    out: Path
    package: str
    committed: bool
    check: bool
    compile: bool

    @property
    def target(self) -> Path:
        """The folder of the package itself."""
        return self.out.joinpath(*self.package.split("."))


@dataclass(frozen=True, slots=True)
class Diff:
    """Compare two schemas."""

    old: Folder
    new: Folder
    as_json: bool


def parse(arguments: Sequence[str]) -> Generate | Diff:
    """What the arguments ask for; UsageError, or argparse's exit, if it makes no sense."""
    if arguments[:1] == ["diff"]:
        return _diff(_diff_parser().parse_args(arguments[1:]))
    return _generate(_parser().parse_args(arguments))


def _diff(options: argparse.Namespace) -> Diff:
    _check_repair(options)
    old, new = (
        Folder(path, None, options.repair, options.numbers_from)
        for path in (options.old, options.new)
    )
    return Diff(old, new, options.json)


def _generate(options: argparse.Namespace) -> Generate:
    _check_repair(options)
    protos: Path = options.protos or OUR_PROTOS
    elsewhere = protos.resolve() != OUR_PROTOS.resolve()
    if (options.out is None) != (options.package is None):
        raise UsageError("--out and --package go together: the package will be DIR/NAME")
    if options.out is None and elsewhere:
        raise UsageError(
            f"--protos {protos} needs --out DIR and --package NAME: ctrader_typed/proto is only "
            "ever generated from protos/"
        )
    # Where the generator is installed without protos/, no other schema tells lost numbers.
    numbers_from = options.numbers_from or (OUR_PROTOS if OUR_PROTOS.is_dir() else None)
    schema = Folder(protos, options.release, options.repair, numbers_from)
    out: Path = options.out or ROOT
    package = options.package or OUR_PACKAGE
    asked = Generate(schema, out, package, committed=True, check=options.check, compile=False)
    if asked.target.resolve() == ROOT.joinpath(*OUR_PACKAGE.split(".")):
        if elsewhere:
            raise UsageError(
                f"{asked.target} is only ever generated from protos/; name another --out"
            )
        if options.compile:
            raise UsageError(
                "--compile is for other packages: `python setup.py build_ext --inplace` builds "
                f"{package}'s own"
            )
        return asked
    _check_package(package)
    return replace(asked, committed=False, compile=options.compile)


def _check_repair(options: argparse.Namespace) -> None:
    if options.numbers_from is not None and not options.repair:
        raise UsageError("--numbers-from has a meaning only with --repair")


def _check_package(package: str) -> None:
    parts = package.split(".")
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise UsageError(f"--package {package}: Python cannot import a package of that name")
    if parts[0] in {"betterproto", "codegen", "ctrader_typed", "google", "mockserver"}:
        raise UsageError(f"--package {package}: {parts[0]} is needed as it is; choose another name")
    if parts[0] in sys.stdlib_module_names:
        raise UsageError(f"--package {package}: {parts[0]} is in Python's standard library")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=USAGE,
        description="Generates typed bindings from the .proto files of the cTrader Open API.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--check", action="store_true", help="write nothing; show what is not current")
    add("--protos", metavar="DIR", type=Path, help="the .proto files (default: protos/)")
    add("--out", metavar="DIR", type=Path, help="the folder that gets the package")
    add("--package", metavar="NAME", help="the name to import it by; dots make folders")
    add("--release", metavar="TEXT", help="which release it is, if no RELEASE file there says it")
    add("--compile", action="store_true", help="build the compiled codec: Cython, a C compiler")
    _add_repair(parser, "protos/")
    return parser


def _diff_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} diff",
        description="Compares two folders of .proto files.",
        epilog=DIFF_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("old", metavar="OLD", type=Path, help="the schema that clients were written for")
    add("new", metavar="NEW", type=Path, help="the schema that may break them")
    add("--json", action="store_true", help="for machines")
    _add_repair(parser, "none")
    return parser


def _add_repair(parser: argparse.ArgumentParser, default: str) -> None:
    add = parser.add_argument
    add("--repair", action="store_true", help="go on although enum values are gone; says how")
    add(
        "--numbers-from",
        metavar="DIR",
        type=Path,
        help=f"with --repair: the schema that has the numbers of lost values (default: {default})",
    )
