"""Fixtures that more than one folder of tests uses."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Longest first: with several workers it would else be what the others wait for.
LONGEST = "test_documented_commands"

# A shell starts what it puts in the background with Ctrl-C ignored, which the commands under test would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hand out the longest file first."""
    items.sort(key=lambda item: LONGEST not in item.nodeid)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real labels, clips and photos that lie beside the checkout on some machines."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real test media (shared/data beside the checkout) are not on this machine")
    return folder


@pytest.fixture
def proven(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Keep a measured figure: ``proven(key, figure)``; docs/make_reliability.py makes the table of them."""

    def keep(key: str, figure: str) -> None:
        row = {"key": key, "figure": figure, "test": request.node.nodeid.split("[")[0]}
        file = os.environ.get("SUGC_PROVEN")
        if file:
            with Path(file).open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(row) + "\n")

    return keep
