"""A stage between fits that is killed goes on by the same command: nothing lost, nothing done twice, the same bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kills.harness import Tally, survive
from tests.kills.jobs import STAGES

pytestmark = [
    pytest.mark.prove,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc"),
]
TALLY = Tally()
NEEDS = {
    "prepare mini-kvq": ("vmaf_torch", "skimage", "sklearn"),
    "prepare mini-kwaisr": ("skimage", "sklearn"),
    "sweep": ("optuna",),
    "study": ("snakemake",),
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stages")


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_survives_kills_and_ends_with_the_bytes_of_one_go(
    name: str, workplace: Path, tmp_path: Path, proven: Callable[[str, str], None]
) -> None:
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)
    make, kills = STAGES[name]
    survived = survive(make(workplace), tmp_path, kills)
    proven("kills survived by stages", TALLY.add(survived))
