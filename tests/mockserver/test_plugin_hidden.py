"""The plugin is loaded by every pytest run: it costs nothing, and no foreign name is in its way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ctrader_typed.companions import Hidden, load

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A test suite of somebody who has installed us."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester


def run(suite: pytest.Pytester, *more: str) -> pytest.RunResult:
    return suite.runpytest_subprocess("-p", "ctrader_typed.pytest_plugin", "-q", *more)


def test_a_run_that_asks_for_no_fixture_imports_nothing_of_ours(suite: pytest.Pytester) -> None:
    suite.makepyfile("""
        import sys

        def test_what_is_there():
            ours = {n for n in sys.modules if n.startswith(("ctrader_typed", "mockserver"))}
            assert ours == {
                "ctrader_typed",
                "ctrader_typed.companions",
                "ctrader_typed.keywords",
                "ctrader_typed.pytest_plugin",
            }
            assert not {"trio", "betterproto", "pytest_trio"} & set(sys.modules)
    """)
    run(suite).assert_outcomes(passed=1)


@pytest.mark.parametrize("foreign", ["mockserver.py", "mockserver/__init__.py", "codegen.py"])
def test_a_foreign_module_disturbs_no_run_that_needs_no_fixture(
    suite: pytest.Pytester, foreign: str
) -> None:
    path = suite.path / foreign
    path.parent.mkdir(exist_ok=True)
    path.write_text("ANSWER = 42\n")
    name = foreign.split("/", maxsplit=1)[0].removesuffix(".py")
    suite.makepyfile(f"from {name} import ANSWER\n\ndef test_theirs():\n    assert ANSWER == 42\n")
    run(suite, f"--rootdir={suite.path}").assert_outcomes(passed=1)


@pytest.mark.parametrize("foreign", ["mockserver.py", "mockserver/__init__.py"])
def test_a_foreign_module_that_hides_ours_is_named_where_a_fixture_is_asked_for(
    suite: pytest.Pytester, foreign: str
) -> None:
    path = suite.path / foreign
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    suite.makepyfile("def test_ours(mock_ctrader):\n    pass\n")
    done = run(suite)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(
        f"*Hidden: the `mockserver` that comes with ctrader_typed is hidden by {path}: rename *"
    )


@pytest.mark.parametrize(("command", "package"), [("mock", "mockserver"), ("codegen", "codegen")])
def test_a_command_whose_package_is_hidden_says_so(
    command: str, package: str, tmp_path: Path
) -> None:
    hiding = tmp_path / f"{package}.py"
    hiding.write_text("")
    program = f"import sys; from ctrader_typed.companions import {command}; sys.exit({command}())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"the `{package}` that comes with ctrader_typed is hidden by {hiding}: rename that, or put "
        "its folder behind the installed packages in sys.path\n"
    )


def test_what_is_ours_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("mockserver.box").__name__ == "mockserver.box"
    monkeypatch.setitem(sys.modules, "codegen", sys)
    with pytest.raises(Hidden, match="`codegen` that comes with ctrader_typed is hidden by "):
        load("codegen.commands")
