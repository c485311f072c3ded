"""What every test may ask for: how hard hypothesis tries, and where the recorded server bytes are.

Knows nothing of the code under test.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

RECORDINGS = Path(__file__).parent.parent.parent / "shared" / "recordings"

# `pytest --hypothesis-profile=NAME` picks one. The gate tries the same inputs on every run and so
# never fails by chance, a few of them again on each further Python; the other two look for new
# ones. No deadlines: a busy machine is not a bug.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "gate", max_examples=200, deadline=None, derandomize=True, database=None, print_blob=True
)
settings.register_profile("again", settings.get_profile("gate"), max_examples=20, print_blob=True)
settings.register_profile(
    "fuzz",
    max_examples=10_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("dev")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded server messages, beside the repository and no part of it."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recordings at {RECORDINGS}: they lie beside the repository, not in it")
    return RECORDINGS


ONE_PYTHON = (
    "codegen/",
    "ctrader_typed/account/test_cut_anywhere.py",
    "ctrader_typed/market/test_year.py",
    "e2e/",
    "mockserver/cli/",
    "mockserver/conformance/",
    "mockserver/sessions/",
)
"""Tests of generated text, of processes and of long simulated times: the same on every Python."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the gate runs on one Python only."""
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).as_posix().startswith(ONE_PYTHON):
            item.add_marker(pytest.mark.one_python)
