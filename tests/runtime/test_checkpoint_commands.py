"""What a damaged or foreign checkpoint does to the commands that take one: one sentence, exit code 2, nothing lost."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from experiments.__main__ import main as experiments
from records.checkpoints import read_checkpoint
from runtime.entry import main as train
from tests.command import TINY
from tests.runtime.test_checkpoint_files import damage
from tests.tiny_kvq import make_tiny_kvq

# In this process, the parser tells of its future in our name.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
FIT = ("fit", "--config", str(TINY), "--trainer.max_epochs")
WIDER = ("--model.init_args.network.init_args.head.init_args.hidden", "9")
RUN = Path("runs/tiny_student/base-seed0/checkpoints")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a fit of two epochs; commands run in this process, for their exit code and words."""
    folder = tmp_path_factory.mktemp("damaged")
    make_tiny_kvq(folder / "data", 4, val=2, test=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PL_GLOBAL_SEED", "0")  # which a command sets, to be taken back
        patch.chdir(folder)
        assert train([*FIT, "2"]) == 0
    return folder


@pytest.fixture
def refused(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """The sentence with which a command ends with exit code 2, in a copy of the folder."""
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
    monkeypatch.chdir(shutil.copytree(fitted, tmp_path / "copy"))

    def sentence(command: Callable[[list[str]], int], *words: object) -> str:
        assert command([str(word) for word in words]) == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    return sentence


def test_a_damaged_checkpoint_is_refused_by_every_command(refused: Callable[..., str]) -> None:
    best = RUN / "best.ckpt"
    damage(best)
    Image.new("RGB", (8, 8)).save("small.png")
    for told in (
        refused(train, "test", "--config", TINY),
        refused(train, "predict", "--config", TINY),
        refused(train, *FIT, 2, "--model.init_args.init_from", best, "--run.variant", "heir"),
        refused(experiments, "assess", "data/test/0001.mp4", "--checkpoint", best),
        refused(experiments, "enhance", "small.png", "--checkpoint", best, "--out", "out"),
    ):
        assert "best.ckpt: damaged: its bytes are not those that were written; use last.ckpt or older.ckpt" in told
    assert not list(Path("runs/tiny_student/heir-seed0").glob("checkpoints/*"))


def test_a_fit_with_a_damaged_last_checkpoint_goes_on_from_the_one_before(
    refused: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    damage(RUN / "last.ckpt")
    assert train([*FIT, "3"]) == 0
    told = capsys.readouterr().out
    assert "last.ckpt is damaged and is now called damaged.ckpt" in told
    assert f"going on from {RUN / 'older.ckpt'}" in told
    assert read_checkpoint(RUN / "last.ckpt", "checkpoint")["epoch"] == 2
    damage(RUN / "last.ckpt")
    damage(RUN / "older.ckpt")
    assert "last.ckpt and older.ckpt damaged" in refused(train, *FIT, "4")


def test_another_network_is_told_by_its_keys(refused: Callable[..., str]) -> None:
    last = RUN / "last.ckpt"
    fit = refused(train, *FIT, 2, *WIDER, "--ckpt_path", last, "--run.variant", "wide")
    for told in (refused(train, "test", "--config", TINY, *WIDER), fit):
        assert "holds other weights, 3 of another shape: network.head." in told
        assert "is (8, " in told and "not (9, " in told
    assert not list(Path("runs/tiny_student/wide-seed0").glob("checkpoints/*.ckpt"))


def test_what_is_no_checkpoint_and_what_cannot_be_kept(refused: Callable[..., str]) -> None:
    Path("text.ckpt").write_text("not one")
    torch.save([1], "list.ckpt")
    for name, told in (
        ("text", "(it is a file of another kind)"),
        ("list", "(it holds no state_dict)"),
        ("none", "no such checkpoint"),
    ):
        assert told in refused(experiments, "assess", "data/test/0001.mp4", "--checkpoint", f"{name}.ckpt")
    assert "checkpoint.top: -1 epochs cannot be kept" in refused(train, *FIT, 2, "--checkpoint.top", -1, "--restart")
