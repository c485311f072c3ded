"""The command line: what it says, and how it ends."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen import commands
from codegen.commands import Outcome, run
from codegen.options import OUR_PACKAGE, OUR_PROTOS, ROOT

Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in a folder of their own: a relative path must not find our files."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def generate(tmp_path: Path) -> Callable[..., Outcome]:
    """Generate from a folder into `tmp_path/out/bindings`."""

    def command(path: Path, *more: str) -> Outcome:
        out = str(tmp_path / "out")
        return run(["--protos", str(path), "--out", out, "--package", "bindings", *more])

    return command


def test_ours_is_current() -> None:
    outcome = run(["--check"])
    assert outcome.status == 0, outcome.out
    assert re.fullmatch(r".*proto is current: \d+ files", outcome.out)


def test_generating_says_what_was_written_and_what_is_next(
    generate: Callable[..., Outcome], folder: Make, tmp_path: Path
) -> None:
    outcome = generate(folder())
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "schema, release unknown: 3 messages, 1 enum, 1 request"
    assert lines[1] == "out/bindings:"
    assert re.fullmatch(r"  small\.py +\d+ lines  new", lines[-3])
    assert re.fullmatch(r"6 files in \d\.\d s: 6 new", lines[-2])
    assert "import bindings" in lines[-1]
    assert (tmp_path / "out" / "bindings" / "small.py").is_file()
    again = generate(folder())
    assert again.out.splitlines()[-2].endswith("6 unchanged")


def test_check_shows_changed_missing_and_surplus_files(
    generate: Callable[..., Outcome], folder: Make, tmp_path: Path
) -> None:
    generate(folder(other="message A {}"))
    target = tmp_path / "out" / "bindings"
    (target / "methods.py").unlink()
    before = {path: path.read_bytes() for path in target.glob("*.py")}
    (tmp_path / "schema" / "other.proto").rename(tmp_path / "schema" / "another.proto")
    outcome = generate(tmp_path / "schema", "--check")
    assert outcome.status == 1
    assert {path: path.read_bytes() for path in target.glob("*.py")} == before
    heads = [line for line in outcome.out.splitlines() if line.startswith(("--- ", "+++ "))]
    assert heads == [
        "--- out/bindings/__init__.py (on disk)",
        "+++ out/bindings/__init__.py (generated)",
        "--- /dev/null (on disk)",
        "+++ out/bindings/another.py (generated)",
        "--- /dev/null (on disk)",
        "+++ out/bindings/methods.py (generated)",
        "--- out/bindings/other.py (on disk)",
        "+++ /dev/null (generated)",
        "--- out/bindings/registry.py (on disk)",
        "+++ out/bindings/registry.py (generated)",
    ]
    assert "+from .another import A" in outcome.out.splitlines()
    assert "2 changed, 2 new, 1 removed" in outcome.out.splitlines()[-2]
    assert "run `python -m codegen`" in outcome.out.splitlines()[-1]
    assert generate(tmp_path / "schema").status == 0
    assert generate(tmp_path / "schema", "--check").out == "out/bindings is current: 7 files"
    assert not (target / "other.py").exists()


def test_problems_end_with_status_1_and_leave_everything_as_it_was(
    generate: Callable[..., Outcome], folder: Make, tmp_path: Path
) -> None:
    outcome = generate(folder(a="message Ask { oneof o { int32 a = 1; } }\nmessage Request {}"))
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.splitlines()[0].startswith("python -m codegen: 2 problems in ")
    assert "a.proto:2: Ask.o: a oneof has no form here" in outcome.err.splitlines()
    assert not (tmp_path / "out").exists()


def test_a_broken_schema_is_explained_and_repaired_on_demand(
    generate: Callable[..., Outcome], broken: Path, lost: list[str], tmp_path: Path
) -> None:
    refused = generate(broken)
    assert refused.status == 1
    assert all(value.split()[0] in refused.err for value in lost)
    assert "--repair" in refused.err
    assert not (tmp_path / "out").exists()
    repaired = generate(broken, "--repair")
    assert repaired.status == 0, repaired.err
    told = [line for line in repaired.out.splitlines() if line.startswith("repaired: ")]
    assert len(told) == len(lost)
    assert all(value.split()[0] in line for value, line in zip(lost, told, strict=True))
    assert generate(broken, "--repair", "--check").status == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--out", "x"], "--out and --package go together"),
        (["--package", "x"], "--out and --package go together"),
        (["--protos", "schema"], "needs --out DIR and --package NAME"),
        (["--protos", "schema", "--check"], "needs --out DIR and --package NAME"),
        (["--protos", "schema", "--out", str(ROOT), "--package", OUR_PACKAGE], "is only ever"),
        (["--protos", "nowhere", "--out", "x", "--package", "y"], "nowhere is not a folder"),
        (["--protos", ".", "--out", "x", "--package", "y"], "there are some in schema"),
        (["--out", "x", "--package", "a b"], "cannot import a package of that name"),
        (["--out", "x", "--package", "a.class"], "cannot import a package of that name"),
        (["--out", "x", "--package", "a..b"], "cannot import a package of that name"),
        (["--out", "x", "--package", "ctrader_typed.other"], "is needed as it is"),
        (["--out", "x", "--package", "json"], "is in Python's standard library"),
        (["--numbers-from", "schema"], "only with --repair"),
        (["--release", "92"], "--release says 92, but "),
        (["diff", "schema", "nowhere"], "nowhere is not a folder"),
        (["diff", "schema", "schema", "--numbers-from", "schema"], "only with --repair"),
    ],
)
def test_what_cannot_be_carried_out_ends_with_status_2(
    arguments: list[str], expected: str, folder: Make
) -> None:
    folder()
    outcome = run(arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("python -m codegen: ")
    assert expected in outcome.err


def test_a_file_written_by_hand_is_in_the_way(
    generate: Callable[..., Outcome], folder: Make, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "bindings"
    target.mkdir(parents=True)
    (target / "mine.py").write_text("pass\n")
    outcome = generate(folder())
    assert outcome.status == 2
    assert "mine.py" in outcome.err
    assert [path.name for path in target.iterdir()] == ["mine.py"]
    checked = generate(folder(), "--check")
    assert checked.status == 1
    assert "out/bindings/mine.py was not generated: move it elsewhere first." in checked.out


def test_a_folder_that_cannot_be_written_is_told(
    generate: Callable[..., Outcome], folder: Make, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file, not a folder")
    outcome = generate(folder())
    assert outcome.status == 2
    assert outcome.err.startswith("python -m codegen: ")


@pytest.mark.parametrize("arguments", [["--help"], ["diff", "--help"]])
def test_help_ends_well(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(arguments)
    assert caught.value.code == 0
    assert "exit status" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--chek"], ["diff", "one"], ["--check", "diff", "a", "b"]])
def test_a_misspelt_command_ends_with_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(arguments)
    assert caught.value.code == 2
    assert "usage: " in capsys.readouterr().err


def test_the_release_is_that_of_the_file_beside_the_protos(
    generate: Callable[..., Outcome], folder: Make
) -> None:
    path = folder()
    assert ", release v92: " in generate(path, "--release", "v92").out
    (path / "RELEASE").write_text("93\n")
    assert ", release 93: " in generate(path).out
    assert generate(path, "--release", "92").status == 2
    (path / "RELEASE").write_text("two\nlines")
    assert "expected one line" in generate(path).err


def test_our_own_schema_can_go_elsewhere(tmp_path: Path) -> None:
    outcome = run(["--out", str(tmp_path / "out"), "--package", "a.copy"])
    assert outcome.status == 0, outcome.err
    assert (tmp_path / "out" / "a" / "copy" / "api.py").is_file()
    assert not (ROOT / "ctrader_typed" / "proto" / "api.py").exists()


def test_a_difference_that_breaks_ends_with_status_1(edited: Make) -> None:
    newer = edited("newer", "92", OpenApiModelMessages={"MARKET = 1;": "", "LIMIT = 2;": ""})
    same = run(["diff", str(OUR_PROTOS), str(edited("same"))])
    assert same.status == 0
    assert same.out.splitlines()[-1] == "No differences but, at most, comments and order."
    outcome = run(["diff", str(OUR_PROTOS), str(newer)])
    assert (outcome.status, outcome.err) == (1, "")
    assert "  !     MARKET: value removed (1) - code that names it no longer runs" in (
        outcome.out.splitlines()
    )
    assert outcome.out.splitlines()[-1] == "2 changes; 2 (marked !) break a client."
    back = run(["diff", str(newer), str(OUR_PROTOS)])
    assert back.status == 0
    assert back.out.splitlines()[-1] == "2 changes; none breaks a client."


def test_a_difference_for_machines(edited: Make) -> None:
    newer = edited("newer", "92", OpenApiModelMessages={"MARKET = 1;": ""})
    outcome = run(["diff", str(OUR_PROTOS), str(newer), "--json"])
    assert outcome.status == 1
    assert json.loads(outcome.out) == {
        "old": {"folder": str(OUR_PROTOS), "release": "91", "repairs": []},
        "new": {"folder": "newer", "release": "92", "repairs": []},
        "breaks_a_client": True,
        "changes": [
            {
                "file": "OpenApiModelMessages.proto",
                "element": "ProtoOAOrderType.MARKET",
                "change": "value removed",
                "old": 1,
                "new": None,
                "breaks": "code that names it no longer runs",
            }
        ],
    }


def test_a_comparison_with_a_broken_schema(broken: Path, lost: list[str]) -> None:
    refused = run(["diff", str(OUR_PROTOS), str(broken)])
    assert (refused.status, refused.out) == (1, "")
    assert f"{len(lost)} problems in {broken}" in refused.err
    for_machines = run(["diff", str(OUR_PROTOS), str(broken), "--json"])
    assert for_machines.status == 1
    told = json.loads(for_machines.out)
    assert told["folder"] == str(broken)
    assert len(told["problems"]) == len(lost)
    assert told["problems"][0]["file"] == "OpenApiMessages.proto"
    # What was lost shows as lost …
    repaired = run(["diff", str(OUR_PROTOS), str(broken), "--repair"])
    assert repaired.status == 1
    assert repaired.out.count("value removed (") == len(lost)
    assert repaired.out.count("payload type changed (") == len(lost)
    assert repaired.out.count("repaired in broken: ") == len(lost)
    # … unless the numbers are asked for.
    source = ["--numbers-from", str(OUR_PROTOS)]
    assert run(["diff", str(OUR_PROTOS), str(broken), "--repair", *source]).status == 0


def test_the_program_itself(folder: Make, tmp_path: Path) -> None:
    def codegen(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "codegen", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)

    done = codegen("--check")
    assert (done.returncode, done.stderr) == (0, "")
    path = str(folder(a="message A { optional Nope n = 1; }"))
    done = codegen("diff", path, path)
    assert (done.returncode, done.stdout) == (1, "")
    assert 'a.proto:2: "Nope" is not defined.' in done.stderr


@pytest.mark.parametrize("tool", ["grpc_tools", "ruff"])
def test_a_missing_tool_is_named(
    tool: str, generate: Callable[..., Outcome], folder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codegen.descriptors.find_spec", lambda name: name != tool or None)
    monkeypatch.setattr("codegen.render.find_spec", lambda name: name != tool or None)
    outcome = generate(folder())
    assert outcome.status == 2
    assert "is missing: pip install" in outcome.err


def test_generating_takes_less_than_five_seconds(
    generate: Callable[..., Outcome], edited: Make
) -> None:
    took = re.search(r"files in (\d+\.\d) s", generate(edited()).out)
    assert took is not None
    assert float(took[1]) < 5


def test_commands_print_nothing() -> None:
    assert "print(" not in Path(commands.__file__).read_text()
