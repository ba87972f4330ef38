"""Every study runs to its end, as typed, on data that it makes itself; `make prove` puts its figures on its page."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import ROOT, experiments, tracked_copy

STUDIES = sorted((ROOT / "configs/study").glob("*.yaml"))
# Minutes that a study may take where two jobs run at once; far above what it takes, so that only a hang ends it.
PATIENCE = 60 * 60

pytestmark = pytest.mark.prove


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all: what one study prepared the others find, as on a user's machine."""
    return tracked_copy(tmp_path_factory.mktemp("studies") / "checkout")


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_a_study_runs_to_its_end(study: Path, checkout: Path, proven: Callable[[str, str], None]) -> None:
    done = experiments("study", f"configs/study/{study.name}", "--jobs", 2, cwd=checkout, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    folder = checkout / "studies" / study.stem
    records = [json.loads(file.read_text(encoding="utf-8")) for file in (folder / "done").glob("*.json")]
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert records and "not done" not in report and "(not there yet)" not in report
    minutes = sum(record["seconds"] for record in records) / 60
    proven(f"study {study.stem}", f"{len(records)} jobs, {minutes:.1f} minutes of commands, two at once")
    if kept := os.environ.get("SUGC_STUDIES"):
        place = Path(kept) / study.stem
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / "report.md", place)
