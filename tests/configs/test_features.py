"""Each expert's config makes the rows, at the cost, that its header tells."""

import re
from pathlib import Path
from typing import Any

import jsonargparse
import pytest
import torch
from lightning import LightningDataModule

from datamodules.video.views.base import View
from lightning_modules.vqa_expert import VQAExpert
from metrics.macs import count_macs
from metrics.meta import meta_copy
from runtime.keys import TOP
from runtime.layers import expand
from runtime.parser import ShortErrorParser
from tests.command import ROOT

CONFIGS = sorted((ROOT / "configs/exp/kvq/features").glob("*.yaml"))
# Width that the teacher's view expects of an expert, where it has it.
WIDTHS = {"fast_vqa": 768, "liqe": 495, "slowfast": 256}


def parsed(path: Path) -> Any:
    """The config with its layers, as a run reads it."""
    jsonargparse.set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
    parser = ShortErrorParser(parser_mode="omegaconf+", default_env=False)
    parser.add_subclass_arguments(VQAExpert, "model")
    parser.add_subclass_arguments(LightningDataModule, "data")
    for key in sorted(TOP - {"config", "data", "model"}):
        parser.add_argument(f"--{key}", type=Any, default=None)
    parser.add_argument("--config", action="config")
    return parser.parse_args(expand(["--config", str(path)]))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_rows_and_cost_are_those_of_the_header(path: Path) -> None:
    if path.stem == "liqe":
        pytest.importorskip("open_clip")
    config = parsed(path)
    build = jsonargparse.ArgumentParser()
    build.add_subclass_arguments(VQAExpert, "model")
    build.add_argument("--views", type=dict[str, View])
    values = {"model": config.model.as_dict(), "views": config.data.init_args["views"]}
    with torch.device("meta"):
        made = build.instantiate(build.parse_object(values))
    shapes = {name: view.shape for name, view in made.views.items()}
    expert = made.model.network
    expert.check(shapes)
    views = {name: torch.empty((1, *shape), dtype=torch.uint8, device="meta") for name, shape in shapes.items()}
    _, tokens, width = meta_copy(expert)(views).shape
    text = path.read_text(encoding="utf-8")
    assert re.search(r"^# Rows: (\d+) x (\d+)", text, re.MULTILINE).groups() == (str(tokens), str(width))
    assert WIDTHS.get(path.stem, width) == width and made.model.name == path.stem
    gmacs, params = map(float, re.search(r"^# Cost: ([\d.]+) GMACs a video, ([\d.]+) M", text, re.MULTILINE).groups())
    count = count_macs(expert, (views,), {})
    assert count.macs / 1e9 == pytest.approx(gmacs, rel=1e-3)
    assert count.parameters / 1e6 == pytest.approx(params, abs=6e-3)
    assert config.data.init_args.predict_split == "all" and config.trainer["precision"] == "32-true"
