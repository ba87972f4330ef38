"""What runs on slices saw of each clip: which tiles were cut at each threshold, out of which densities."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.comparison.runs import Run
from records.errors import UserError

if TYPE_CHECKING:
    from datamodules.video.views.density import Slicing
    from datamodules.video.views.slices import DensitySlices

SLICES = "datamodules.video.views.slices.DensitySlices"
ROWS = "datamodules.video.views.expert_rows.ExpertRows"


@dataclass(frozen=True)
class Cutter:
    """What one variant sees.

    Args:
        view: Its view of slices, made anew.
        root: Root of its clips.
        reader: Its decoder.
    """

    view: "DensitySlices"
    root: Path
    reader: Any

    @property
    def threshold(self) -> float:
        """Its threshold."""
        return float(self.view.threshold)


def cutter(run: Run) -> Cutter:
    """The view of slices of a run: its own, or the one behind the stored rows that it reads.

    Raises:
        UserError: It has none, or one that this version cannot make.
    """
    from records.yaml_text import parse_yaml

    where = str(run.folder / "config.yaml")
    try:
        data = parse_yaml(Path(where).read_text(encoding="utf-8"))["data"]["init_args"]
        views = [view for view in data["views"].values() if isinstance(view, dict)]
        root, reader = Path(data["root"]), data.get("reader", "pyav")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        views, root, reader = [], Path(), "pyav"
    told = [view for view in views if view.get("class_path") == SLICES]
    told += [view for rows in views if rows.get("class_path") == ROWS for view in _behind(rows["init_args"])]
    if not told:
        mend = "name runs with a view DensitySlices, or with rows that an expert made of one"
        raise UserError("cuts no slices", where=str(run.folder), mend=mend)
    return Cutter(_made(told[0], where), root, reader)


def look(cutters: Sequence[Cutter], ids: Iterable[str]) -> tuple[dict[str, "list[Slicing]"], list[str]]:
    """Tiles of every clip at every threshold, and the clips that cannot be read.

    Args:
        cutters: One a threshold.
        ids: Clips.
    """
    from datamodules.video.draw import Draw
    from datamodules.video.reader import VideoReader

    found: dict[str, list[Slicing]] = {}
    unreadable = []
    for id in ids:
        draw, frames = Draw(id=id), {}
        try:
            with VideoReader(cutters[0].root / id, cutters[0].reader) as reader:
                places = [each.view.middle(reader.timeline, draw) for each in cutters]
                for place in sorted(set(places)):
                    frames[place] = next(iter(reader.pictures([place]))).rgb()
        except (UserError, OSError):
            unreadable.append(id)
            continue
        found[id] = [each.view.slicing(frames[place]) for each, place in zip(cutters, places, strict=True)]
    return found, unreadable


def gmacs(run: Run) -> float | None:
    """Cost of a clip, the experts included whose rows the run reads; None where what made them left no record."""
    from records.runs import read_summary

    made = [read_summary(file.parent) for file in run.folder.parents[1].glob("*/*/summary.json")]
    costs = {Path(each["bank"]): each.get("gmacs") for each in made if each.get("bank")}
    parts = [run.summary.get("gmacs")]
    parts += [
        costs.get(Path(each["path"])) for each in run.summary.get("inputs") or [] if each.get("kind") == "features"
    ]
    known = [float(part) for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _behind(rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Views of slices that stored rows were made of, in the form of a configuration."""
    from records.feature_bank import FeatureBank

    views = [FeatureBank(Path(rows["root"]) / name).header.view for name in rows["experts"]]
    return [_told(view) for view in views if view.get("class") == SLICES]


def _told(signature: Mapping[str, Any]) -> dict[str, Any]:
    args = {name: _told(value) if isinstance(value, dict) else value for name, value in signature.items()}
    return {"class_path": args.pop("class", None), "init_args": args}


def _made(told: Mapping[str, Any], where: str) -> "DensitySlices":
    from jsonargparse import ArgumentParser

    from datamodules.video.views.slices import DensitySlices
    from runtime.parser import explain
    from runtime.trusted_classes import only_trusted_imports, refuse_foreign_classes

    refuse_foreign_classes(told, where)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(DensitySlices, "view")
    try:
        with only_trusted_imports():
            return parser.instantiate(parser.parse_object({"view": dict(told)})).view
    except Exception as error:
        why = explain(str(error))
        mend = why.mend or "analyse with the version of the project that made the run"
        raise UserError(f"its slices cannot be cut again: {why.what}", where=where, mend=mend) from error
