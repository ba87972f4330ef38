"""`analyse slicing` refuses runs that it cannot cut again or hold against each other."""

import pytest
import yaml

from tests.experiments.sliced_runs import SAID, view_of, write_run


def another_view(run, **told):
    """The run with other arguments of its view, or another class."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    view = config["data"]["init_args"]["views"]["seen"]
    view["class_path"] = told.pop("class_path", view["class_path"])
    view["init_args"] |= told
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def without_slices(runs):
    another_view(runs[0], class_path="datamodules.video.views.key_frames.KeyFrames")


def of_one_threshold(runs):
    another_view(runs[0], threshold=0.5)


def with_a_strange_option(runs):
    another_view(runs[0], tyles=3)


def with_a_foreign_class(runs):
    another_view(runs[0], sampler={"class_path": "subprocess.Popen", "init_args": {"args": "true"}})


def without_predictions(runs):
    (runs[1] / "predictions.parquet").unlink()


def of_other_clips(runs):
    from records.predictions import read_predictions, write_predictions

    table = runs[1] / "predictions.parquet"
    write_predictions(table, read_predictions(table)[1:])


def as_they_are(runs):
    pass


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_slices, "runs/cut/at-0-seed0: cuts no slices; name runs with a view DensitySlices"),
        (of_one_threshold, "cut/at-0, cut/at-0.5: these have the thresholds 0.5, 0.5; name two or more variants"),
        (with_a_strange_option, "at-0-seed0/config.yaml: its slices cannot be cut again: ... tyles"),
        (with_a_foreign_class, "at-0-seed0/config.yaml: names 'subprocess.Popen', which is neither ours"),
        (without_predictions, "at-0.5-seed0: holds no predictions of test; run `python train.py test` first"),
        (of_other_clips, "at-0.5-seed0: was not judged on the clips and labels of ... at-0-seed0; judge all runs"),
        (as_they_are, "data: none of the clips can be read; put them there"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_runs_that_cannot_be_held_against_each_other(refused, says, tmp_path, change, told):
    change([write_run(tmp_path, threshold, 0, view_of(threshold)) for threshold in SAID])
    says(refused("analyse", "slicing", "cut", "--out", "out"), told)
