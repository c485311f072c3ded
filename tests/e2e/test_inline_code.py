"""What README, CONTRIBUTING and docs show in backticks within sentences exists and is taken."""

from __future__ import annotations

import argparse
import re
import ssl
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

import ctrader_typed
from codegen import options
from ctrader_typed import connect
from mockserver import control
from mockserver.cli import conformance, record, serve
from tests.support import shown_code

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SPANS = sorted(
    {
        (page.name, " ".join(span.split()))
        for page in PAGES
        for span in re.findall(
            r"`([^`]+)`",
            re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL),
        )
    }
)
COMMAND_LINES = [
    (page.name, line)
    for page in PAGES
    for block in re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for line in re.findall(r"^(?:\$ )?((?:python -m|make|pip) .*?)(?: +#.*)?$", block, re.MULTILINE)
]
SOURCES = "".join(
    path.read_text(encoding="utf-8")
    for package in ("ctrader_typed", "mockserver")
    for path in sorted((ROOT / package).rglob("*.py"))
)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

EXCEPTIONS = {
    # Of other programs and languages
    "CustomRootTrust": ".NET",
    "CustomTrustStore": ".NET",
    "X509ChainPolicy": ".NET",
    "pool.AppendCertsFromPEM": "Go",
    "tls.Config{RootCAs: pool}": "Go",
    'tls.connect({ca: fs.readFileSync("ca.pem")})': "Node",
    "-Djavax.net.ssl.trustStore=trust.p12 -Djavax.net.ssl.trustStorePassword=changeit": "JVM",
    "keytool -importcert -noprompt -alias mock -file ca.pem -keystore trust.p12"
    " -storepass changeit": "JVM",
    "py-spy record --native": "a profiler",
    "pip install": "pip",
    "cibuildwheel": "builds wheels; pyproject.toml configures it",
    "lint-imports": "the command of import-linter",
    "autojump_clock": "a fixture of pytest-trio",
    "array('q')": "of the standard library",
    '@pytest.mark.mock_ctrader(seed=7, scenario="late-fill")': "tests/mockserver/test_plugin.py",
    # Names that stand for something
    "NAME.SCHEMA.codec_info()": "NAME is what the reader gave",
    "<path>.lock": "path is what the reader gave",
    "my.session.jsonl": "a file of the reader's",
    "my-2.session.jsonl": "a file of the reader's",
    "gslScheduleId": "a key that no schema has",
    "0": "a value of the option before it",
    "0.1": "a value of the option before it",
    "0.0.0.0": "an address",
    "localhost": "a host",
    ".venv": "made by make",
    "build/asan": "made by make asan",
    "dist": "made by make wheels",
    ".csv": "how a file's name ends",
    ".parquet": "how a file's name ends",
    ".proto": "how a file's name ends",
    "==": "an operator",
    "async for": "how a statement begins",
    "[start, end)": "a span, as mathematics writes it",
    "…": "what is left out",
}

PYTHON_COMMAND = re.compile(r"(?:\.venv/bin/)?python -m ([\w.]+) ?(.*)")
MAKE = re.compile(r"make ([a-z]+)")
INSTALL = re.compile(r'pip install "(ctrader-typed|\.)\[(\w+)\]"')
OPTION = re.compile(r"--[a-z][a-z-]*")
ENVIRONMENT = re.compile(r"([A-Z][A-Z_]*_[A-Z_]+|MINUTES)(=\S+)?")
PATH = re.compile(r"[\w.*/-]+/|[\w.*/-]+\.(?:py|pyx|pxi|md|toml|jsonl)|\.?[\w-]+(?:/[\w.*-]+)+")
WORD = re.compile(r"[A-Za-z_]\w*(?:-[a-z]+)*")
KEYWORD = re.compile(r"([a-z_]+)=(.*)")
TEXT = re.compile(  # literals, and sentences of the server
    r'"[^"]*"|\{.*\}|\[\w+\]|\([A-Z]\w+\)|.*→.*|buy\(\) got an.*|(?:…|[A-Za-z_]+) [A-Za-z… =].*'
)
LEADS_CODE = ("await ", "async ", "with ", "def ", "from ", "import ", "bid + ")

OPTIONS: dict[str, dict[str, argparse.Action]] = {
    command: parser._option_string_actions
    for command, parser in {
        "mockserver": serve._parser(),
        "mockserver record": record._parser(),
        "mockserver conformance": conformance._parser(),
        "codegen": options._parser(),
        "codegen diff": options._diff_parser(),
    }.items()
}
MODULES_AND_FOLDERS = {
    part
    for package in ("codegen", "ctrader_typed", "mockserver", "tests")
    for path in (ROOT / package).rglob("*.py")
    for part in (*path.relative_to(ROOT).parts[:-1], path.stem)
}
VALUES = set(re.findall(r'"([^"\s]+)"', SOURCES))
COMMANDS_TAKE = {name for each in control.COMMANDS.values() for name in signature(each).parameters}


def kind_of(span: str) -> str:
    """Which of the checks below concerns it."""
    kinds = {
        "exception": span in EXCEPTIONS,
        "command": PYTHON_COMMAND.fullmatch(span)
        or MAKE.fullmatch(span)
        or INSTALL.fullmatch(span),
        "option": span.startswith("--"),
        "path": PATH.fullmatch(span) or span == ".ci/run",
        "environment": ENVIRONMENT.fullmatch(span) and not shown_code.is_word(span),
        "word": WORD.fullmatch(span),
        "keyword": KEYWORD.fullmatch(span),
        "text": TEXT.fullmatch(span) and not span.startswith(LEADS_CODE),
    }
    return next((kind for kind, is_it in kinds.items() if is_it), "code")


def of(kind: str) -> list[tuple[str, str]]:
    return [(page, span) for page, span in SPANS if kind_of(span) == kind]


def in_some_folder(path: str) -> bool:
    """Whether the repository has it, from its root, a package, or a folder that a page is about."""
    roots = ("", "ctrader_typed", "ctrader_typed/message", "mockserver/faults", "tests/mockserver")
    return any(list((ROOT / root).glob(path.rstrip("/"))) for root in (*roots, CONFORMANCE_TESTS))


CONFORMANCE_TESTS = "tests/mockserver/conformance"


def test_every_kind_is_met_and_every_exception_needed() -> None:
    spans = {span for _, span in SPANS}
    assert set(EXCEPTIONS) <= spans
    assert {kind_of(span) for span in spans} == {
        "code", "command", "environment", "exception", "keyword", "option", "path", "text", "word",
    }  # fmt: skip


@pytest.mark.parametrize(("page", "span"), of("code"))
def test_code_names_what_exists_and_calls_it_with_its_parameters(page: str, span: str) -> None:
    try:
        found = list(shown_code.unknown(span))
    except SyntaxError:
        found = ["it is no Python: if it is meant so, EXCEPTIONS says why"]
    assert not found, f"{page}: `{span}`"


@pytest.mark.parametrize(("page", "span"), of("keyword"))
def test_keyword_is_a_parameter(page: str, span: str) -> None:
    name, value = KEYWORD.fullmatch(span).groups()  # type: ignore[union-attr]
    assert name in shown_code.parameters(), f"{page}: `{span}`"
    assert not list(shown_code.unknown(value or "None"))


@pytest.mark.parametrize(("page", "span"), of("word"))
def test_word_is_a_name_of_ours_of_the_schema_or_of_python(page: str, span: str) -> None:
    extra = re.search(rf"^{re.escape(span)} = \[", PROJECT, re.MULTILINE)
    ours = span in MODULES_AND_FOLDERS | VALUES | COMMANDS_TAKE
    assert ours or extra or shown_code.is_word(span), f"{page}: `{span}`"


@pytest.mark.parametrize(("page", "span"), of("path"))
def test_path_exists(page: str, span: str) -> None:
    assert in_some_folder(span), f"{page}: `{span}`"


@pytest.mark.parametrize(("page", "span"), of("environment"))
def test_environment_variable_is_read_or_set(page: str, span: str) -> None:
    name = span.partition("=")[0]
    assert re.search(rf"\b{name}\b", SOURCES + MAKEFILE), f"{page}: `{span}`"


@pytest.mark.parametrize(("page", "span"), of("option"))
def test_option_is_known_to_a_command(page: str, span: str) -> None:
    assert set(OPTION.findall(span)) <= set().union(*OPTIONS.values()), f"{page}: `{span}`"
    for option, value in re.findall(r"(--[a-z-]+) (?!--)(\S+)", span):
        if not value.isupper():  # FILE stands for one
            assert any(accepts(known.get(option), value) for known in OPTIONS.values()), value


def accepts(action: argparse.Action | None, value: str) -> bool:
    """Whether the parser takes the value for this option."""
    if action is None:
        return False
    try:
        taken = action.type(value) if callable(action.type) else value
    except (ValueError, argparse.ArgumentTypeError):
        return False
    return action.choices is None or taken in action.choices


@pytest.mark.parametrize(("page", "span"), [*of("command"), *COMMAND_LINES])
def test_command_exists_and_knows_its_options(page: str, span: str) -> None:
    assert kind_of(span) == "command"
    if target := MAKE.fullmatch(span):
        assert re.search(rf"^{target[1]}:", MAKEFILE, re.MULTILINE), f"{page}: `{span}`"
    elif extra := INSTALL.fullmatch(span):
        assert re.search(rf"^{extra[2]} = \[", PROJECT, re.MULTILINE), f"{page}: `{span}`"
    elif python := PYTHON_COMMAND.fullmatch(span):
        module, arguments = python.groups()
        assert find_spec(module), f"{page}: `{span}`"
        if module == "pytest":
            assert in_some_folder(arguments)
            return
        arguments, _, _ = arguments.partition(" -- ")
        command = f"{module} {arguments.partition(' ')[0]}"
        known = OPTIONS.get(command, OPTIONS.get(module, {}))
        assert set(OPTION.findall(arguments)) <= set(known), f"{page}: `{span}`"


def test_placeholders_of_the_conformance_page_are_those_that_the_command_names() -> None:
    shown = {span for page, span in SPANS if re.fullmatch(r"\{\w+\}", span)}
    assert shown == set(re.findall(r"\{\w+\}", conformance._parser().format_help()))


@pytest.mark.parametrize("wrong", ["--speed quickly", "--wire udp", "--tempo fast", "--ordr any"])
def test_option_with_a_value_that_no_parser_takes_is_noticed(wrong: str) -> None:
    option, value = wrong.split()
    assert not any(accepts(known.get(option), value) for known in OPTIONS.values())


def test_calls_of_connect_and_its_wires_are_taken_as_they_are_shown() -> None:
    calls = {span for _, span in SPANS if re.fullmatch(r"connect\([^…]+\)", span)}
    wires = {span for _, span in SPANS if re.fullmatch(r'wire="\w+"', span)}
    assert len(calls) >= 4
    assert wires == {'wire="websocket"', 'wire="json"'}
    names: dict[str, Any] = {
        "connect": connect,
        "context": ssl.create_default_context(),
        "bindings": ctrader_typed,
    }
    for call in (*calls, *(f'connect("demo", {wire})' for wire in wires)):
        assert hasattr(eval(call, names), "__aenter__")


@pytest.mark.parametrize(
    "wrong",
    [
        "account.buyy()",
        "connect(…, jurnal='x')",
        "Box(tick_second=60)",
        "error.order.resolve()",
        "await save_token(store)",
        "trio.from_threads.run",
    ],
)
def test_code_that_does_not_exist_is_noticed(wrong: str) -> None:
    assert list(shown_code.unknown(wrong))
