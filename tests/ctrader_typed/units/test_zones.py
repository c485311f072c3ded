"""Time zones, and what is said where there are none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ctrader_typed import InvalidValue
from ctrader_typed.units import NEW_YORK, time_zone

NO_DATABASE = """
import sys, zoneinfo
zoneinfo.reset_tzpath([])
sys.modules["tzdata"] = None
"""
USES = {
    "H2 bars": "from ctrader_typed.market.periods import Period; Period.of('H2').start_of(0)",
    "D1 bars": "from ctrader_typed.market.periods import Period; Period.of('D1').next(0)",
    "trading hours": "from ctrader_typed.symbols.trading_hours import time_zone; time_zone('UTC')",
    "mock server": "import mockserver.box",
}


def test_a_zone_by_its_name() -> None:
    assert time_zone(NEW_YORK).key == "America/New_York"


@pytest.mark.parametrize("name", ["Europe/Nowhere", "", "../etc/passwd"])
def test_a_zone_that_nobody_knows_is_named_with_what_to_do(name: str) -> None:
    with pytest.raises(InvalidValue, match=r"no time zone .*pip install tzdata"):
        time_zone(name)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_without_a_database_it_is_said_how_to_get_one(use: str) -> None:
    program = NO_DATABASE + use
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "InvalidValue: no time zone" in done.stderr
    assert "`pip install tzdata` brings one" in done.stderr


def test_without_a_database_a_client_can_be_made_all_the_same() -> None:
    program = NO_DATABASE + "from ctrader_typed import connect; connect('demo')"
    subprocess.run([sys.executable, "-c", program], check=True)
