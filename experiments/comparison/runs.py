"""Find run folders and read what is compared of them."""

import glob
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.flatten import flatten
from records.runs import read_status, read_summary
from records.yaml_text import parse_yaml

# What names a run, its place or its dashboard, and is no difference between systems.
NO_DIFFERENCE = ("seed_everything", "run", "wandb", "paths", "trainer.default_root_dir", "trainer.logger", "checkpoint")


@dataclass(frozen=True)
class Item:
    """One file of a split as a run judged it.

    Args:
        content: What the file shows.
        values: ``prediction`` and ``target`` of a video, or the figures of an image.
    """

    content: str
    values: dict[str, float]


@dataclass(frozen=True)
class Run:
    """A run folder.

    Args:
        folder: The folder.
        experiment: Name of its experiment.
        variant: Name of its variant.
        seed: Its seed.
    """

    folder: Path
    experiment: str
    variant: str
    seed: int

    @property
    def name(self) -> str:
        """What runs of several seeds have in common."""
        return f"{self.experiment}/{self.variant}"

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Final figures."""
        return read_summary(self.folder)

    @cached_property
    def status(self) -> dict[str, Any]:
        """State."""
        return read_status(self.folder / "status.json")

    @cached_property
    def config(self) -> dict[str, Any]:
        """Resolved configuration as dotted keys, without what makes no difference."""
        try:
            nested = parse_yaml((self.folder / "config.yaml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        flat = flatten(nested) if isinstance(nested, dict) else {}
        return {key: value for key, value in flat.items() if not _is_under(key, NO_DIFFERENCE)}

    @property
    def was_fitted(self) -> bool:
        """Whether a fit left anything here; a blend has nothing to train, and only its test does."""
        return bool(self.status or self.config)

    def score(self, split: str) -> float | None:
        """Score of a split, as the summary says it."""
        scores = self.summary.get(split)
        value = scores.get("score") if isinstance(scores, dict) else None
        return float(value) if isinstance(value, int | float) else None

    def figures(self, split: str) -> dict[str, float]:
        """All figures of a split that the summary tells."""
        scores = self.summary.get(split)
        told = scores.items() if isinstance(scores, dict) else ()
        return {
            name: float(value)
            for name, value in told
            if name not in ("n", "score") and isinstance(value, int | float) and not isinstance(value, bool)
        }

    @property
    def judged_by(self) -> str:
        """Name of the score."""
        return str(self.summary.get("score_name") or "score")

    @property
    def more_is_better(self) -> bool:
        """Whether a higher score is a better one."""
        mode = self.status.get("mode")
        if mode is None and self.on_images:
            # What has nothing to train has no status: a blend of candidates says only what it was judged by.
            from lightning_modules.sr_task import FALLING

            return not self.judged_by.startswith(FALLING)
        return mode != "min"

    @property
    def on_images(self) -> bool:
        """Whether images were restored, not videos scored."""
        return (self.folder / "image_scores.parquet").is_file()

    def items(self, split: str) -> dict[str, Item]:
        """Files of a split by id; none where the run left no table."""
        if self.on_images:
            from records.image_scores import read_image_scores

            images = read_image_scores(self.folder / "image_scores.parquet")
            return {row.id: Item(row.content, row.values) for row in images if row.split == split}
        table = self.folder / "predictions.parquet"
        if not table.is_file():
            return {}
        from records.predictions import read_predictions

        return {
            row.id: Item(row.content or row.id, {"prediction": row.prediction, "target": row.target})
            for row in read_predictions(table)
            if row.split == split and row.target is not None
        }


def find_runs(words: Iterable[str], root: Path) -> dict[str, list[Run]]:
    """Runs of each variant in order of seed; variants in the order they were named in.

    Args:
        words: Run folders, ``experiment/variant`` for all its seeds, ``experiment`` for all its variants, or patterns
            of these; below ``root`` or as paths.
        root: Folder of all runs.

    Raises:
        UserError: A word names no run.
    """
    found: dict[Path, Run] = {}
    for word in words:
        runs = [run for folder in _folders(word, root) if (run := _read(folder)) is not None]
        if not runs:
            mend = f"give a run folder, or <experiment>/<variant> below {root}"
            raise UserError("names no run", where=word, mend=mend)
        for run in runs:
            found.setdefault(run.folder.resolve(), run)
    groups: dict[str, list[Run]] = {}
    for run in found.values():
        groups.setdefault(run.name, []).append(run)
    return {name: sorted(runs, key=lambda run: run.seed) for name, runs in groups.items()}


def _folders(word: str, root: Path) -> list[Path]:
    for pattern in (word, str(root / word)):
        for shape in (pattern, f"{pattern}-seed*", f"{pattern}/*-seed*"):
            places = [Path(place) for place in sorted(glob.glob(shape)) if _is_run(Path(place))]
            if places:
                return places
    return []


def _is_run(folder: Path) -> bool:
    named = (folder / "config.yaml").is_file() or (folder / "summary.json").is_file()
    return named and ".old-" not in folder.name


def _read(folder: Path) -> Run | None:
    folder = folder.resolve()
    variant, mark, seed = folder.name.rpartition("-seed")
    if not mark or not seed.isdigit():
        return None
    return Run(folder, folder.parent.name, variant, int(seed))


def _is_under(key: str, tops: Iterable[str]) -> bool:
    return any(key == top or key.startswith(f"{top}.") for top in tops)
