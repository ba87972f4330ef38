"""The cost frontier on banks of made-up tokens, of which it is known which design is the best and what it costs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from datamodules.video.draw import Draw
from datamodules.video.samplers import Uniform
from datamodules.video.timeline import Timeline
from datamodules.video.views.key_frames import KeyFrames
from experiments.__main__ import main
from experiments.analysis import frontier, frontier_heads
from experiments.analysis.frontier_heads import Clips
from experiments.analysis.frontier_judge import chosen_blind, front, judge, step
from experiments.budget import figures
from metrics.bootstrap import ContentBootstrap
from records.bank_writer import BankWriter
from records.feature_bank import BankHeader, FeatureBank
from tests.command import ROOT

STUDENT = ROOT / "configs/exp/kvq/mini_student.yaml"
CONTENTS, EACH, WIDTH = 15, 4, 16
LABELS = np.random.default_rng(0).uniform(1, 5, CONTENTS * EACH).round(2)
IDS = [f"{place:03}.mp4" for place in range(len(LABELS))]


def data(root: Path) -> Path:
    lines = [f"{id},{label},c{place // EACH}" for place, (id, label) in enumerate(zip(IDS, LABELS, strict=True))]
    root.mkdir()
    (root / "labels.csv").write_text("\n".join(["filename,score,group", *lines, ""]))
    return root


def filled(root: Path, view: str, signal: float, size: int = 64, **changes: Any) -> None:
    """A bank that says as much of the labels, in each of three frames with noise of its own."""
    draws = np.random.default_rng(sum(map(ord, view)))
    options = {"width": WIDTH, "missing": 0, "class": "", "told_in": [1, 1, 1], **changes}
    shown = KeyFrames(Uniform(3), size, flip=False)
    signature = {**shown.signature(), **({"class": options["class"]} if options["class"] else {})}
    header = BankHeader("made", "1", "h", shown.sampler_hash, 3, options["width"], view=signature)
    bank = FeatureBank.prepare(root / "bank" / view, header, IDS)
    place = draws.normal(size=options["width"])
    told = signal * np.array(options["told_in"])[:, None]
    tokens = told * (LABELS[:, None, None] - 3) * place + draws.normal(size=(len(IDS), 3, options["width"]))
    kept = len(IDS) - options["missing"]
    writer = BankWriter(bank)
    writer.write(IDS[:kept], tokens[:kept])
    writer.close()


def analyse(tmp_path: Path, *words: object) -> int:
    branch = {"name": "tf_efficientnet_lite0", "levels": [0], "pool": "avg"}
    expert = {"view": "frames", "branch": {"class_path": "models.vqa.timm_frames.TimmFrames", "init_args": branch}}
    file = tmp_path / "expert.yaml"
    file.write_text(yaml.safe_dump({"model": {"init_args": {"expert": {"init_args": expert}}}}))
    given = [tmp_path / "data/bank/*", "--data", tmp_path / "data", "--expert", file, "--out", tmp_path / "out"]
    return main(["analyse", "frontier", *map(str, [*given, "--student", STUDENT, *words])])


def test_the_best_design_is_found_and_its_cost_is_that_of_the_whole_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(frontier_heads, "STEPS", 40)
    root = data(tmp_path / "data")
    filled(root, "told", 0.4)
    filled(root, "middle", 0.4, size=96, told_in=[0, 1, 0])
    recipe = tmp_path / "deployed.yaml"
    recipe.write_text(yaml.safe_dump({
        "base": str(STUDENT),
        "data": {"init_args": {"views": {"frames": {"init_args": {
            "sampler": {"init_args": {"count": 3}}, "size": 64, "resize": "short"}}}}},
        "model": {"init_args": {"network": {"init_args": {"branches": {"frames": {"init_args": {
            "levels": [0], "pool": "avg"}}}}}}},
    }))  # fmt: skip
    cost = figures(recipe)["gmacs"]
    limit = f"{0.6 * cost:.5f}"
    monkeypatch.setattr(frontier, "LOW", float(limit))
    assert analyse(tmp_path, "--seeds", 1, "--limits", limit, 20, "--recipes", recipe) == 0
    said = capsys.readouterr().out
    rows = {row[0]: row for row in map(lambda line: line.split(","), (tmp_path / "out/designs.csv").open())}
    assert set(rows) == {"design", "told/3", "told/1", "middle/3", "middle/1"}
    assert float(rows["told/3"][2]) == pytest.approx(cost, rel=1e-9)
    assert rows["told/3"][1] == "3x64x64" and float(rows["told/3"][2]) > 2.9 * float(rows["told/1"][2])
    score = {name: float(row[8]) for name, row in rows.items() if name != "design"}
    assert score["told/3"] > score["told/1"] + 0.03 > 0.6
    # The frame of one is the middle one of three.
    assert score["middle/1"] > score["middle/3"] + 0.03
    told = json.loads((tmp_path / "out/figures.json").read_text())
    assert told["best_under_20"] == "told/3" and told[f"best_under_{float(limit):g}"] == "told/1"
    assert told["designs_under_20"] == 1
    assert "Too few seeds (1)" in said and "| deployed | " in said
    assert "The best of 3 designs beyond" in said and "against the best of 1 under it, told/1" in said
    assert told["gain_beyond_20"] == pytest.approx(score["told/3"] - score["told/1"])
    assert (tmp_path / "out/frontier.png").stat().st_size > 10_000


def test_frames_of_fewer_parts_are_among_those_of_odd_times_as_many() -> None:
    times = np.cumsum(np.random.default_rng(1).uniform(0.02, 0.1, 48))
    uneven = Timeline(times - times[0], float(times[-1]), 96, 64, 16.0, "h264", "yuv420p", 1, False)
    for fewer, every in ((1, 3), (3, 3), (5, 9), (15, 3)):
        more = Uniform(fewer * every).indices(uneven, Draw(id="a"))
        assert more[every // 2 :: every] == Uniform(fewer).indices(uneven, Draw(id="a"))


def clips_of(contents: int, each: int) -> Clips:
    places = np.arange(contents * each)
    names = [f"c{place // each}" for place in places]
    return Clips([f"{p}.mp4" for p in places], np.linspace(1, 5, len(places)), names, places // each % 5)


def test_the_best_of_many_is_chosen_without_the_clips_it_is_judged_on() -> None:
    clips = clips_of(15, 4)
    bootstrap = ContentBootstrap(clips.targets, clips.contents, draws=200)
    draws = np.random.default_rng(0)
    guesses = [judge(draws.normal(size=(1, 60)), bootstrap) for _ in range(40)]
    assert max(each.score.mean for each in guesses) > 0.2
    assert judge(chosen_blind(guesses, clips), bootstrap).score.mean < 0.15
    good = judge(clips.targets[None] + draws.normal(size=(1, 60)) / 2, bootstrap)
    assert np.array_equal(chosen_blind([*guesses, good], clips), good.predictions)
    made = step(good, guesses[0])
    assert made.value > 0.5 and made.interval is not None and made.interval[0] > 0 and made.p == pytest.approx(1 / 200)
    assert step(good, good).value == 0 and step(good, good).p == 1


def test_the_front_leaves_out_what_costs_more_and_is_no_better() -> None:
    class Costs:
        def __init__(self, gmacs: float) -> None:
            self.gmacs = gmacs

    clips = clips_of(10, 4)
    bootstrap = ContentBootstrap(clips.targets, clips.contents, draws=10)
    noise = np.random.default_rng(0).normal(size=(1, 40))
    judged = [judge(clips.targets[None] + scale * noise, bootstrap) for scale in (3, 2, 2.5, 1, 0.5)]
    assert front([Costs(cost) for cost in (1, 2, 3, 4, 4)], judged) == [0, 1, 4]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "words", "said"),
    [
        ({"width": 24}, [], "holds 3 x 24 a video, and the trunk makes 3 x 16"),
        ({"class": "os.system"}, [], "names 'os.system', which is neither ours"),
        ({"missing": 2}, [], "lacks 2 of 60 labelled clips, for example 058.mp4"),
        ({}, ["--seeds", "0"], "0 is less than 1"),
        ({}, ["--student", str(ROOT / "configs/exp/kvq/features/lite0.yaml")], "names no model.init_args.network"),
        ({}, ["--expert", str(STUDENT)], "names no model.init_args.expert"),
    ],
)
def test_what_does_not_serve_is_told(
    tmp_path: Path, changes: dict[str, Any], words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(data(tmp_path / "data"), "told", 1.0, **changes)
    assert analyse(tmp_path, *words) == 2
    assert said in capsys.readouterr().err


def test_a_place_without_banks_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data(tmp_path / "data")
    assert analyse(tmp_path) == 2
    assert "names no feature bank" in capsys.readouterr().err
