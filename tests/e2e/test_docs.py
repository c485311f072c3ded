"""The programs in docs, run as they stand there, with the output that is shown below them."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from ctrader_typed import (
    ProtoOACancelOrderReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATradeSide,
    connect_over,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page.name for page in DOCS.glob("*.md"))
PIECES = ["account.md", "market.md"]
PROGRAMS = ["orders.md", "tokens.md"]
RUN_ELSEWHERE = {  # all blocks of a page, by a test that takes them one by one
    "README.md": "tests/e2e/test_readme.py",
    "codec.md": "tests/e2e/test_docs.py",
    "mockserver.md": "tests/e2e/test_docs.py",
    "sessions.md": "tests/mockserver/sessions/test_sessions_documentation.py",
}

BLOCK = re.compile(r"```python\n(.*?)```(?:\n```text\n(.*?)```)?", re.DOTALL)
HERE = re.compile(r"^( *)\.\.\.  # .*\n", re.MULTILINE)
CUT = "\f\n"


def blocks(page: str) -> list[tuple[str, str]]:
    """Each block of Python of a page, and what is shown below it."""
    return BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))


def program(pieces: list[str]) -> str:
    """The program at the top of account.md with these in it, and a mark in the output of each."""
    whole, _ = blocks("account.md")[0]
    here = HERE.search(whole)
    assert here is not None, "nothing says where the pieces go"
    ends = [f'{piece}print({CUT!r}, end="")\n' for piece in pieces]
    return whole[: here.start()] + indent("".join(ends), here[1]) + whole[here.end() :]


@pytest.mark.parametrize("page", PIECES)
def test_pieces_print_what_is_shown(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pieces = [each for each in blocks(page) if "trio.run(" not in each[0]]
    exec(compile(program([code for code, _ in pieces]), page, "exec"), {"__name__": "docs"})  # noqa: S102 - the point of the test
    assert capsys.readouterr().out.split(CUT) == [*(shown for _, shown in pieces), ""]


@pytest.mark.parametrize("page", PROGRAMS)
def test_programs_print_what_is_shown(
    page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("CTRADER_ACCESS_TOKEN", "CTRADER_REFRESH_TOKEN"):
        monkeypatch.setenv(variable, "")  # what a program sets ends with the test
    for code, shown in blocks(page):
        exec(compile(code, page, "exec"), {"__name__": "docs"})  # noqa: S102 - the point of the test
        assert capsys.readouterr().out == shown


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("https://") or (DOCS / link).exists(), link


def test_every_page_with_python_is_run_by_a_test() -> None:
    root = DOCS.parent
    shown = {
        page.name
        for page in [*root.glob("*.md"), *DOCS.glob("*.md")]
        if "```python" in page.read_text(encoding="utf-8")
    }
    assert shown == {*PIECES, *PROGRAMS, *RUN_ELSEWHERE}
    for page, test in RUN_ELSEWHERE.items():
        assert page in (root / test).read_text(encoding="utf-8")


def test_every_block_of_the_sessions_page_is_taken_by_its_test() -> None:
    text = (DOCS / "sessions.md").read_text(encoding="utf-8")
    tagged = re.findall(r"<!-- tested: (\w+) -->\n```python", text)
    assert len(tagged) == text.count("```python")
    test = (DOCS.parent / RUN_ELSEWHERE["sessions.md"]).read_text(encoding="utf-8")
    for name in tagged:
        assert f'program("{name}")' in test


def test_the_codec_says_which_it_is_and_gives_columns(capsys: pytest.CaptureFixture[str]) -> None:
    (info, _), (columns, shown) = blocks("codec.md")
    exec(compile(info, "codec.md", "exec"), {"__name__": "docs"})  # noqa: S102 - the point of the test
    assert capsys.readouterr().out.startswith("CodecInfo(codec='")
    exec(compile(columns, "codec.md", "exec"), {"__name__": "docs"})  # noqa: S102 - the point of the test
    assert capsys.readouterr().out == shown


async def test_the_mock_server_is_told_what_to_do(autojump_clock) -> None:
    served, disturbed = (code for code, _ in blocks("mockserver.md"))
    names: dict[str, Any] = {"trade": trade, "Box": Box, "mock_server": mock_server}
    names |= {each.__name__: each for each in (ProtoOANewOrderReq, ProtoOACancelOrderReq)}
    for code in served, disturbed:
        assert "\n    ...\n" in code
        body = indent(code.replace("    ...\n", "    await trade(server)\n"), "    ")
        run = compile(f"async def run():\n{body}", "mockserver.md", "exec")
        exec(run, names)  # noqa: S102 - the point of the test
        await names["run"]()


async def trade(server: Any) -> None:
    """What a client does to the mock server of docs/mockserver.md."""
    async with connect_over(server.memory_client()) as api:
        await api.auth(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            access_token=ACCESS_TOKEN,
            account_id=HEDGED,
        )
        await api.place(
            ProtoOANewOrderReq(
                ctid_trader_account_id=HEDGED,
                symbol_id=1,
                order_type=ProtoOAOrderType.MARKET,
                trade_side=ProtoOATradeSide.BUY,
                volume=100_000,
            )
        )
