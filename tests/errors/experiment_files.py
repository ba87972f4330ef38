"""Experiment files that are right but for one value."""

from pathlib import Path
from typing import Any

import yaml

from tests.command import TINY

DATA, MODEL = "data.init_args", "model.init_args"
NETWORK, VIEW, BRANCH = (
    f"{MODEL}.network.init_args",
    f"{DATA}.views.frames",
    f"{MODEL}.network.init_args.branches.frames",
)
VIEWS, VQA = "datamodules.video.views", "models.vqa"


def of(class_path: str, /, **arguments: Any) -> dict[str, Any]:
    """A class and its arguments, as a configuration names them."""
    return {"class_path": class_path, "init_args": arguments}


def tiny(path: Path, changes: dict[str, Any]) -> Path:
    """Write the tiny student with the values of dotted keys changed."""
    values = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    values["base"] = str((TINY.parent / values["base"]).resolve())
    path.write_text(yaml.safe_dump(changed(values, changes)), encoding="utf-8")
    return path


def changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The values, with those of dotted keys replaced; None leaves a key out."""
    for key, value in changes.items():
        *above, name = key.split(".")
        place = values
        for part in above:
            place = place.setdefault(part, {})
        place.pop(name, None)
        if value is not None:
            place[name] = value
    return values
