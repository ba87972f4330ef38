"""A fit that is killed, by whatever and wherever, goes on by the same command to the same bits as one that is not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from records.files import read_json
from records.runs import read_status
from tests.kills.harness import Tally, survive, told
from tests.kills.jobs import FITS, student, student_on_two_ranks

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
TALLY = Tally()
RUN = "runs/tiny_student/base-seed0"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fits")


@pytest.mark.slow
def test_a_fit_with_two_workers_and_a_dashboard_survives_signals(workplace: Path, tmp_path: Path) -> None:
    ids = set[str]()

    def check(folder: Path) -> None:
        run = folder / RUN
        ids.add(read_json(run / "wandb.json")["id"])
        assert {path.name.rpartition("-")[2] for path in (run / "wandb").glob("offline-run-*")} == ids
        assert read_status(run / "status.json")["state"] == "interrupted" and "goes on from here" in told(folder)

    job = student(workplace, "--data.init_args.num_workers", "2", "--wandb.mode", "offline")
    survived = survive(replace(job, attacks=("usr1", "int", "term group"), check=check), tmp_path, 3, anytime=0)
    assert survived.kills.total() == 3 and len(ids) == 1


@pytest.mark.slow
def test_two_ranks_end_when_one_is_gone_and_go_on_as_one_run(workplace: Path, tmp_path: Path) -> None:
    survived = survive(replace(student_on_two_ranks(workplace), attacks=("rank", "term")), tmp_path, 2, anytime=0)
    assert survived.kills.total() == 2


@pytest.mark.prove
@pytest.mark.parametrize("name", FITS)
def test_a_fit_survives_kills_of_every_kind(
    name: str, workplace: Path, tmp_path: Path, proven: Callable[[str, str], None]
) -> None:
    make, kills = FITS[name]
    survived = survive(make(workplace), tmp_path, kills)
    proven("kills survived by fits", TALLY.add(survived))
