"""What a super-resolution run has to say of itself: mean scores, interval, change against a baseline, worst images."""

from pathlib import Path
from typing import Any

from metrics.mean_interval import mean_interval
from records.image_scores import ImageScore, read_image_scores
from runtime.end_screen import with_change, with_interval

FILE = "image_scores.parquet"


class ImageOutcome:
    """Outcome of one command on one split of images.

    Args:
        folder: Run folder.
        split: ``val``, ``test`` or ``predict``.
        data: The data module.
        monitor: Figure that the run was judged by, as ``val/NAME``.
        mode: ``max`` where more is better, ``min`` where less is.
    """

    after = "python -m experiments enhance IMAGE_OR_FOLDER --checkpoint {checkpoint} --out enhanced"

    def __init__(self, folder: Path, split: str, data: Any, monitor: str, mode: str) -> None:
        self.folder, self.split, self.data = folder, split, data
        self.name, self.sign = monitor.partition("/")[2], 1 if mode == "max" else -1
        self.rows = self._rows(folder)

    def _rows(self, folder: Path) -> list[ImageScore]:
        path = folder / FILE
        rows = read_image_scores(path) if path.is_file() else []
        return [row for row in rows if row.split == self.split and self.name in row.values]

    def scores(self) -> dict[str, Any] | None:
        """Means over images for the summary; None where no image has a truth."""
        if not self.rows:
            return None
        names = sorted(set.intersection(*(set(row.values) for row in self.rows)))
        means = {name: sum(row.values[name] for row in self.rows) / len(self.rows) for name in names}
        values, contents = [row.values[self.name] for row in self.rows], [row.content for row in self.rows]
        more = {"score": means[self.name], "interval": mean_interval(values, contents)}
        return {**means, "n": len(self.rows), **more}

    def told(self, scores: dict[str, Any] | None, baseline: Path | None) -> dict[str, str]:
        """Lines of the end screen.

        Args:
            scores: Result of :meth:`scores`.
            baseline: Folder of a run to compare with.
        """
        if scores is None:
            restored = self.folder / "restored"
            return {"written": str(restored)} if self.split == "predict" and restored.is_dir() else {}
        told = {f"{self.split} {self.name}": with_interval(scores["score"], scores["interval"])}
        rest = [name for name in scores if name not in (self.name, "n", "score", "interval")]
        told["means"] = ", ".join(f"{name} {scores[name]:.4f}" for name in rest) + f" over {scores['n']} images"
        if baseline:
            name = f"{baseline.parent.name}/{baseline.name}"
            told["change"] = with_change(self._change(baseline), name, self.sign)
        return told

    def _change(self, baseline: Path) -> tuple[float, float, float] | None:
        theirs = {row.id: row.values[self.name] for row in self._rows(baseline)}
        if theirs.keys() != {row.id for row in self.rows}:
            return None
        changes = [row.values[self.name] - theirs[row.id] for row in self.rows]
        reach = mean_interval(changes, [row.content for row in self.rows])
        return None if reach is None else (sum(changes) / len(changes), *reach)

    def worst(self) -> list[str]:
        """The images with the worst score, a line each."""
        rows = sorted(self.rows, key=lambda row: self.sign * row.values[self.name])[:3]
        return [f"{Path(self.data.root) / row.id}  {self.name} {row.values[self.name]:.4f}" for row in rows]
