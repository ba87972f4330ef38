"""What several ranks write together is what one writes: features, pseudo-labels and candidates."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from records.candidates import read_candidates
from records.pseudo_labels import read_pseudo_labels
from tests.command import ROOT
from tests.ranks.families import alone, clips, fitted, images, ranks, typed
from tests.ranks.outcome import apart, pictures, predictions, scores

# In this process, the parser tells of its future in our name.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
EXPERT = ROOT / "tests/configs/tiny_expert.yaml"
LABELS = ROOT / "configs/trainer/pseudo_labels.yaml"
CANDIDATES = ROOT / "configs/trainer/candidates.yaml"


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    clips(folder)
    return folder


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictured")
    images(folder)
    return folder


def candidates(folder: Path, world: int, out: str) -> Path:
    """Write the candidates of the seven test images."""
    family = fitted(folder, "DiffusionSR, semantic")
    layer = ("--config", CANDIDATES, "--trainer.callbacks.out", out, "--run.variant", out)
    split = ("--data.init_args.predict_split", "test")
    words = ("predict", *family.words, *family.judging(folder), *layer, *split)
    if world == 1:
        alone(*words, cwd=folder)
    else:
        typed(*words, *ranks(world), cwd=folder)
    return folder / out


def listed(folder: Path) -> tuple[dict, list]:
    """Who made candidates, and what is known of each image."""
    found = read_candidates(folder)
    return found.maker, found.images


def written(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


@pytest.mark.slow
def test_two_ranks_write_the_candidates_of_one_and_a_fusion_of_them_scores_the_same(pictured: Path) -> None:
    one, two = (candidates(pictured, world, f"by{world}") for world in (1, 2))
    assert listed(one) == listed(two) and len(listed(one)[1]) == 7
    assert written(one) == written(two) and len(written(one)) == 14
    blend = ("--config", ROOT / "configs/ablation/fusion_blend.yaml", "--config", "fusion.yaml")
    runs = [pictured / f"runs/nafusion/of{world}-seed0" for world in (1, 2)]
    for command in ("test", "predict"):
        words = [(command, *blend, "--data.init_args.roots", f"[by{n}]", "--run.variant", f"of{n}") for n in (1, 2)]
        alone(*words[0], cwd=pictured)
        typed(*words[1], "--trainer.devices", 2, cwd=pictured)
    assert apart(*map(predictions, runs)) < 1e-5 and apart(*map(scores, runs)) < 5e-7
    assert scores(runs[0])["test n"] == 5
    assert pictures(runs[0]) == pictures(runs[1]) and len(pictures(runs[0])) == 7


@pytest.mark.prove
def test_candidates_are_the_same_bytes_on_four_ranks_and_gone_on_with_by_ranks_that_have_none(
    pictured: Path, proven: Callable[[str, str], None]
) -> None:
    one, four = candidates(pictured, 1, "by1"), candidates(pictured, 4, "by4")
    assert listed(one) == listed(four) and written(one) == written(four)
    # One image is left for four ranks, and then none.
    lost = four / listed(four)[1][3].path("per")
    lost.unlink()
    for _ in range(2):
        candidates(pictured, 4, "by4")
        assert listed(one) == listed(four) and written(one) == written(four)
    proven("ranks: candidates", "1, 2 and 4 ranks: same bytes of every picture, also after one was lost")


@pytest.mark.prove
def test_rows_of_an_expert_are_the_same_bytes(scored: Path, proven: Callable[[str, str], None]) -> None:
    found = []
    for world in (1, 2, 4):
        bank = ("--model.init_args.bank", f"bank{world}", "--run.variant", f"bank{world}")
        words = ("predict", "--config", EXPERT, *bank, "--data.init_args.predict_paths", "[nine.txt]", *ranks(world))
        assert "9 of 9 clips, 9 of them new" in typed(*words, cwd=scored)
        found.append((scored / f"bank{world}/tiny/rows.stand-in.f16").read_bytes())
    assert found[0] and found[0] == found[1] == found[2]
    # Ranks without anything to do end too.
    assert "9 of 9 clips, 0 of them new" in typed(*words, cwd=scored)
    proven("ranks: features", "1, 2 and 4 ranks: same bytes of every row")


@pytest.mark.prove
def test_pseudo_labels_are_the_same(scored: Path, proven: Callable[[str, str], None]) -> None:
    name = "VQATeacher, two members"
    family = fitted(scored, name)
    filters = ("--trainer.callbacks.filters.copies", "false", "--trainer.callbacks.filters.max_share", "1")
    tables = []
    for world in (1, 2, 4):
        layer = ("--config", LABELS, *filters, "--run.experiment", "tiny_teacher", "--run.variant", f"labels{world}")
        words = ("predict", *family.words, *family.judging(scored), *layer, *ranks(world))
        typed(*words, cwd=scored)
        tables.append(read_pseudo_labels(family.run(scored, f"labels{world}") / "pseudo_labels.parquet"))
    # All is done: four ranks without a clip make the table anew.
    typed(*words, cwd=scored)
    tables.append(read_pseudo_labels(family.run(scored, "labels4") / "pseudo_labels.parquet"))
    one, *others = tables
    assert len(one.ids) >= 7
    largest = 0.0
    for other in others:
        assert other.ids == one.ids and other.header["counts"] == one.header["counts"]
        both = (np.abs(other.scores - one.scores), np.abs(other.spreads - one.spreads))
        largest = max(largest, *(float(each.max()) for each in both))
    assert largest < 1e-5
    proven("ranks: pseudo-labels", f"1, 2 and 4 ranks: scores and spreads apart by at most {largest:.1g}")
