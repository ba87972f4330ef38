from pathlib import Path

import pytest

from tests.documented_commands import run_part


@pytest.mark.slow
def test_commands_run_as_printed(tmp_path: Path) -> None:
    run_part("rest", tmp_path)
