"""One checkpoint says the same on any number of ranks, whatever the sets' sizes, by the public commands."""

from collections.abc import Callable
from pathlib import Path

import pytest

from records.files import read_json
from tests.command import experiments
from tests.ranks.families import FAMILIES, SIZES, alone, clips, fitted, images, ranks, typed
from tests.ranks.outcome import apart, numbers, pictures, predictions, scores

# In this process, the parser tells of its future in our name.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
WORLDS = (1, 2, 4)
COMMANDS = ("validate", "test", "predict")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of clips and one of images."""
    return {made.__name__: tmp_path_factory.mktemp(made.__name__) for made in (clips, images)}


def official(workplace: Path, run: Path) -> dict[str, float]:
    """What ``score`` says of what the ranks wrote."""
    out = run / "official.json"
    if (run / "predictions.parquet").is_file():
        files = ("--predictions", run / "predictions.parquet", "--labels", "data/test.csv")
        done = experiments(
            *("score", "kvq", *files, "--pairs", "data/test_pairs.csv", "--split", "test", "--json", out),
            cwd=workplace,
        )
    else:
        files = ("--submission", run / "restored/train", "--truth", "data/train")
        done = experiments("score", "kwaisr", *files, "--json", out, cwd=workplace)
    assert done.returncode == 0, done.stderr
    return dict(numbers(read_json(out)))


@pytest.mark.slow
def test_a_student_says_on_two_ranks_what_it_says_on_one(places: dict[str, Path]) -> None:
    """The ranks as they come of `--trainer.devices 2` alone."""
    place = places["clips"]
    family = fitted(place, "VQAStudent")
    runs = [family.run(place, variant) for variant in ("on1", "on2")]
    for command in COMMANDS:
        words = (command, *family.words, *family.judging(place), "--run.variant")
        alone(*words, "on1", cwd=place)
        typed(*words, "on2", "--trainer.devices", 2, cwd=place)
    assert len(predictions(runs[0])) == sum(SIZES.values())
    assert apart(*map(predictions, runs)) < 1e-5 and apart(*map(scores, runs)) < 5e-7


@pytest.mark.prove
@pytest.mark.parametrize("name", FAMILIES)
def test_validate_test_predict_and_score_are_those_of_one_rank(
    places: dict[str, Path], name: str, proven: Callable[[str, str], None]
) -> None:
    place = places[FAMILIES[name].data.__name__]
    family = fitted(place, name)
    found = []
    for world in WORLDS:
        words = (*family.words, *family.judging(place), "--run.variant", f"on{world}", *ranks(world))
        for command in COMMANDS:
            typed(command, *words, cwd=place)
        run = family.run(place, f"on{world}")
        found.append((predictions(run), scores(run), pictures(run), official(place, run)))
    one, *others = found
    counts = {split: len({id for id in one[0] if id.startswith(split) and id.count(" ") == 1}) for split in SIZES}
    counts["predict"] = counts["predict"] or len(one[2])
    assert counts == SIZES
    differences = {"predictions": 0.0, "scores": 0.0}
    for other in others:
        differences["predictions"] = max(differences["predictions"], apart(one[0], other[0]))
        differences["scores"] = max(differences["scores"], apart(one[1], other[1]), apart(one[3], other[3]))
        # A picture of 8 bit is the same or another one.
        assert other[2] == one[2]
    assert differences["predictions"] < 1e-5 and differences["scores"] < 5e-7, differences
    told = ", ".join(f"{what} apart by at most {value:.1g}" for what, value in differences.items())
    proven(f"ranks: {name}", f"1, 2 and 4 processes on sets of 5, 7 and 9: {told}")
