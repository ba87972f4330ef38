"""Pictures of the tiles that a view of slices cuts, so that a threshold is looked at before it is believed."""

import csv
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L

from callbacks.dashboard import Medium, log_media, panel
from records.errors import UserError
from records.files import atomic_path

FOLDER = "slices"
TABLE = "slices.csv"
# Characters of an id that may stand in a file name; of a long id the end tells most.
_UNSAFE, _LENGTH = re.compile(r"[^A-Za-z0-9._-]+"), 80


class SliceOverlays(L.Callback):
    """Write ``slices/`` of the run folder: PNG pictures of grid, densities and chosen tiles, and ``slices.csv``.

    The table names the picture of each clip and the share of its tiles that reach the threshold. Written at the end of
    a fit's first validation and of every ``validate``, by rank zero only, and logged to W&B where it is at work. A clip
    that cannot be read is left out with a warning.

    Args:
        view: Name of the view, a ``DensitySlices``.
        count: Number of clips, spread evenly over the split.
        split: Split whose clips are shown, ``val`` or ``train``.
    """

    def __init__(self, view: str = "slices", count: int = 8, split: str = "val") -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1, not {count}")
        self.view, self.count, self.split = view, count, split
        self.done = False

    def state_dict(self) -> dict[str, Any]:
        """Whether this fit's pictures are written."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore it."""
        self.done = state["done"]

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Refuse a view that cuts no slices before anything is trained.

        Raises:
            UserError: There is no such view.
        """
        views = trainer.datamodule.views  # type: ignore[attr-defined]
        if not hasattr(views.get(self.view), "overlay"):
            cutting = [name for name, view in views.items() if hasattr(view, "overlay")]
            raise UserError(
                f"no view '{self.view}' that cuts slices",
                where="SliceOverlays.view",
                mend=f"name {' or '.join(cutting)}" if cutting else "leave this callback out",
            )

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the pictures, in a fit only once."""
        fit = trainer.state.fn == "fit"
        if trainer.sanity_checking or (fit and self.done):
            return
        self.done |= fit
        if trainer.is_global_zero:
            rows = self._write(trainer.datamodule, Path(trainer.default_root_dir) / FOLDER)  # type: ignore[attr-defined]
            log_media(trainer, self._media(rows))

    def _media(self, rows: list[tuple[str, Path, float]]) -> Iterator[Medium]:
        if rows:
            shown = [(path, f"{id}: {kept:.0%} of the tiles kept") for id, path, kept in rows]
            yield panel(f"{self.split}/{FOLDER}", shown)

    def _write(self, data: Any, folder: Path) -> list[tuple[str, Path, float]]:
        """Id, picture and kept share of every clip that can be read."""
        from PIL import Image

        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.png"):
            old.unlink()
        labels = data.labels(self.split)
        count = min(self.count, len(labels))
        rows = []
        for place in range(count):
            id = labels[place * len(labels) // count].id
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # damage was told when the clip was scored
                    picture, kept = data.overlay(self.view, id)
            except (UserError, OSError) as error:
                warnings.warn(f"no picture of its slices: {error}", stacklevel=2)
                continue
            # The number makes names differ that are equal but for unsafe characters, and keeps a dot from leading.
            path = folder / f"{place:03d}-{_UNSAFE.sub('_', id)[-_LENGTH:]}.png"
            Image.fromarray(picture).save(path)
            rows.append((id, path, kept))
        with atomic_path(folder / TABLE) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(["filename", "picture", "kept_share"])
            csv.writer(file).writerows((id, path.name, f"{kept:.4f}") for id, path, kept in rows)
        return rows
