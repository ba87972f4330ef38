"""What a quality run has to say of itself: scores, interval, change against a baseline, clips that are furthest off."""

from pathlib import Path
from typing import Any

from metrics.correlation import krocc, plcc_fit4, rmse, rmse_fit4
from runtime.end_screen import with_change, with_interval
from runtime.summary import Judged, compare, judged


class QualityOutcome:
    """Outcome of one command on one split of scored videos.

    Args:
        folder: Run folder.
        split: ``val``, ``test`` or ``predict``.
        data: The data module.
        monitor: Not needed here: pairs decide what the score is.
        mode: Not needed here: more is better.
    """

    after = "python -m experiments assess VIDEO_OR_FOLDER --checkpoint {checkpoint}"

    def __init__(self, folder: Path, split: str, data: Any, monitor: str = "", mode: str = "max") -> None:
        self.folder, self.split, self.data = folder, split, data
        self.ours: Judged = judged(folder, split, data.pairs(split) if split != "predict" else [])

    @property
    def name(self) -> str:
        """Name of the score."""
        return {"final": "final", "final_no_rank": "(SROCC + PLCC) / 2"}[self.ours.score_name]

    def scores(self) -> dict[str, Any] | None:
        """Scores for the summary; None where no clip has a label."""
        if not self.ours.rows:
            return None
        bootstrap, prediction = self.ours.draws()
        known = {name: value for name, value in bootstrap.whole(prediction).items() if value == value}
        # Raw error in label units, and what is left of it after a fit: a prediction may rank well and be off in scale.
        for figure in (krocc, plcc_fit4, rmse, rmse_fit4):
            value = figure(prediction, bootstrap.target)
            known |= {figure.__name__: value} if value == value else {}
        more = {"score": known.get(self.ours.score_name), "interval": self.ours.interval()}
        return {**known, "n": len(self.ours.rows), **more}

    def told(self, scores: dict[str, Any] | None, baseline: Path | None) -> dict[str, str]:
        """Lines of the end screen.

        Args:
            scores: Result of :meth:`scores`.
            baseline: Folder of a run to compare with.
        """
        told: dict[str, str] = {}
        if scores and scores["score"] is not None:
            told[f"{self.split} {self.name}"] = with_interval(scores["score"], scores["interval"])
            told["SROCC, PLCC"] = f"{scores.get('srocc', 0):.4f}, {scores.get('plcc', 0):.4f} over {scores['n']} clips"
            if baseline:
                name = f"{baseline.parent.name}/{baseline.name}"
                told["change"] = with_change(compare(self.ours, baseline, self.split), name)
        elif self.split == "test":
            told["score"] = "none: the test clips have no labels; predictions are in predictions.parquet"
        elif self.split == "predict" and (self.folder / "predictions.parquet").is_file():
            told["written"] = str(self.folder / "predictions.parquet")
        return told

    def worst(self) -> list[str]:
        """The clips that are furthest off, a line each."""
        rows = sorted(self.ours.rows, key=lambda row: -abs(row.prediction - (row.target or 0.0)))[:3]
        root = Path(self.data.root)
        return [f"{root / row.id}  label {row.target or 0.0:.2f}, predicted {row.prediction:.2f}" for row in rows]
