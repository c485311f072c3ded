"""An account of another release whose codec was compiled by `--compile`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed.wire.envelope import Envelope
from tests.support.accounts import agrees, at_work
from tests.support.releases import another_release, generated


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The package of another release, generated once more with its compiled codec."""
    pytest.importorskip("Cython", reason="Cython is not installed: nothing to compile with")
    pytest.importorskip("setuptools", reason="setuptools is not installed: nothing to build with")
    if shutil.which("cc") is None:
        pytest.skip("no C compiler on this machine")
    protos = Path(str(another_release().__file__)).parent.parent / "protos"
    out = tmp_path_factory.mktemp("compiled")
    return generated(protos, out, "another_release_compiled", "--compile")


async def test_an_account_trades_with_the_compiled_codec(compiled: Any, autojump_clock) -> None:
    assert compiled.SCHEMA.codec_info().codec == "compiled"
    assert compiled.SCHEMA.envelopes(Envelope) is not None
    async with at_work(schema=compiled) as (_, account, server):
        await (await account.buy("EURUSD", lots="0.10", stop_loss_pips=20)).filled()
        await account.settled()
        (position,) = account.positions.values()
        assert type(position.message) is compiled.ProtoOAPosition
        agrees(account, server)
