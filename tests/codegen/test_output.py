"""Rendering is deterministic; writing leaves what is current and what others wrote alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen.errors import UsageError
from codegen.load import Folder, load_declared
from codegen.model import Schema
from codegen.output import BANNER, State, compare, unified_diff, write
from codegen.render import digest, render
from codegen.writer import WIDTH

ROOT = Path(__file__).parents[2]


def test_the_committed_package_is_current(our_package: dict[str, str]) -> None:
    states = compare(our_package, ROOT / "ctrader_typed" / "proto")
    assert {s.path: s.state for s in states} == dict.fromkeys(our_package, State.CURRENT)


def test_two_renders_are_equal(ours: Schema, our_package: dict[str, str]) -> None:
    assert render(ours) == our_package


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_order_of_sets_does_not_show(
    seed: str, python: Callable[..., str], our_package: dict[str, str]
) -> None:
    program = (
        "import json\n"
        "from pathlib import Path\n"
        "from codegen.load import Folder, load_schema\n"
        "from codegen.render import render\n"
        f"schema = load_schema(Folder(Path({str(ROOT / 'protos')!r}))).schema\n"
        "print(json.dumps(render(schema)))"
    )
    assert json.loads(python(program, PYTHONHASHSEED=seed)) == our_package


def test_every_file_has_the_banner_and_readable_lines(our_package: dict[str, str]) -> None:
    for path, text in our_package.items():
        assert text.startswith(f"# {BANNER}\n"), path
        assert max(map(len, text.splitlines())) <= WIDTH, path
        assert text.endswith("\n")
        assert "\t" not in text


def test_the_digest_follows_the_facts_and_nothing_else(
    ours: Schema, edited: Callable[..., Path]
) -> None:
    def digest_of(name: str, **edits: dict[str, str]) -> str:
        return digest(load_declared(Folder(edited(name, **edits)))[0])

    same = digest(ours)
    assert digest_of("a") == same
    assert digest_of("b", OpenApiMessages={"// Places an order.": "// Other words."}) == same
    assert digest_of("c", OpenApiModelMessages={"MARKET = 1;": "MARKET = 11;"}) != same


def current(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


FILES = {"a.py": f"# {BANNER}\na = 1\n", "b.py": f"# {BANNER}\nb = 1\n"}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "some" / "package"
    write(compare(FILES, folder), folder)
    return folder


def test_writing_makes_the_folder(package: Path) -> None:
    assert {path.name: path.read_text() for path in package.iterdir()} == FILES


def test_what_is_current_is_not_touched(package: Path) -> None:
    before = (package / "a.py").stat().st_mtime_ns, (package / "b.py").stat().st_mtime_ns
    write(compare({**FILES, "b.py": f"# {BANNER}\nb = 2\n"}, package), package)
    after = (package / "a.py").stat().st_mtime_ns, (package / "b.py").stat().st_mtime_ns
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


def test_surplus_generated_files_are_removed(package: Path) -> None:
    (package / "notes.txt").write_text("not ours to judge")
    states = compare({"a.py": FILES["a.py"]}, package)
    assert [(s.path, s.state) for s in states] == [("a.py", State.CURRENT), ("b.py", State.SURPLUS)]
    write(states, package)
    assert current(package) == ["a.py", "notes.txt"]


@pytest.mark.parametrize("name", ["b.py", "c.py", "c.pyi"])
def test_a_file_that_was_not_generated_is_neither_replaced_nor_removed(
    name: str, package: Path
) -> None:
    (package / name).write_text("b = 'written by hand'\n")
    (package / "a.py").unlink()
    with pytest.raises(UsageError, match=f"nothing was written: {name} in .* was not generated"):
        write(compare(FILES, package), package)
    assert (package / name).read_text() == "b = 'written by hand'\n"
    assert not (package / "a.py").exists()


def test_the_diff_reads_as_diff_u_does(package: Path) -> None:
    rendered = {"b.py": FILES["b.py"].replace("1", "2"), "c.py": FILES["a.py"]}
    shown = [list(unified_diff(s, Path("p"))) for s in compare(rendered, package)]
    assert shown == [
        [
            "--- p/a.py (on disk)",
            "+++ /dev/null (generated)",
            "@@ -1,2 +0,0 @@",
            f"-# {BANNER}",
            "-a = 1",
        ],
        [
            "--- p/b.py (on disk)",
            "+++ p/b.py (generated)",
            "@@ -1,2 +1,2 @@",
            f" # {BANNER}",
            "-b = 1",
            "+b = 2",
        ],
        [
            "--- /dev/null (on disk)",
            "+++ p/c.py (generated)",
            "@@ -0,0 +1,2 @@",
            f"+# {BANNER}",
            "+a = 1",
        ],
    ]


def test_a_very_long_diff_is_cut(package: Path) -> None:
    (state, *_) = compare({"a.py": "\n".join(map(str, range(1000)))}, package)
    lines = list(unified_diff(state, package))
    assert len(lines) == 201
    assert lines[-1] == "... and 805 more lines"
