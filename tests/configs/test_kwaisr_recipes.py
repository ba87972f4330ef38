"""What the headers of the super-resolution recipes say, and that every one of them parses."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.layers import layers
from runtime.named_parts import merged
from tests.command import ROOT

RECIPES = sorted((ROOT / "configs/exp/kwaisr").glob("*.yaml"))


def whole(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for layer in layers(path):
        values = merged(values, yaml.safe_load(layer.read_text(encoding="utf-8")))
    return values


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_header_says_what_it_is_and_how_sure_that_is(path: Path) -> None:
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    fidelity = [line.removeprefix("# fidelity: ").split(".")[0] for line in head if line.startswith("# fidelity:")]
    assert fidelity in (["published"], ["reading"], ["ours"])
    assert any(line.startswith("# Command: python train.py") and path.name in line for line in head)
    if fidelity != ["ours"]:
        text = " ".join(head)
        assert "Certain" in text and "Ours:" in text


def class_paths(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["class_path"]] if isinstance(value.get("class_path"), str) else []
        return own + [path for item in value.values() for path in class_paths(item)]
    return [path for item in value for path in class_paths(item)] if isinstance(value, list) else []


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_classes_exist(path: Path) -> None:
    found = class_paths(whole(path))
    assert found
    for name in found:
        module, _, kind = name.rpartition(".")
        assert hasattr(importlib.import_module(module), kind), name


def test_the_second_stage_begins_where_the_first_one_ends() -> None:
    first, second = (whole(ROOT / f"configs/exp/kwaisr/taco_{name}.yaml") for name in ("pixel", "semantic"))
    assert first["model"]["init_args"]["network"] == second["model"]["init_args"]["network"]
    assert second["model"]["init_args"]["init_from"] == "runs/taco_pixel/base-seed0/checkpoints/best.ckpt"
    # Published: 4000 and 8500 steps of 16 crops.
    for values, steps in ((first, 4000), (second, 8500)):
        batch = values["data"]["init_args"]["batch_size"] * values["trainer"]["accumulate_grad_batches"]
        assert (values["trainer"]["max_steps"], batch) == (steps, 16)
