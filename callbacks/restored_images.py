"""Restored images of a prediction, as files; nothing done is lost to a kill."""

from pathlib import Path, PurePosixPath
from typing import Any

import lightning as L

from callbacks.run_facts import arguments_of, config_of
from records.files import append_line, read_rows
from records.hashing import file_hash, value_hash
from records.images import to_picture, write_image
from records.leftovers import sweep
from records.results import holding, noted, stamp

FOLDER = "restored"
# One a rank: what it wrote, and what that was made of.
JOURNAL = ".journal-{rank}.jsonl"
# Of the data's arguments, those that choose images and change none.
_CHOICE = ("predict_split", "predict_paths", "num_workers")


class RestoredImages(L.Callback):
    """Write ``restored/<id>.png`` below the run folder for every image that ``predict`` restores.

    The same command goes on where it was stopped. An image is restored anew where the checkpoint or the configuration
    is another than when it was written, or where its files have changed. All is left alone where a callback that
    ``replaces_predictions`` is at work.

    Attributes:
        told: What the end screen says of the images.
    """

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        self._folder, self._maker = Path(), ""
        # Result to the files that it is made of, and their stamp from before that.
        self._sources, self._read = dict[str, tuple[Path, ...]](), dict[str, list[int] | None]()

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Find out what was restored before; that is not restored again."""
        data: Any = getattr(trainer, "datamodule", None)
        if stage != "predict" or _replaced(trainer) or not hasattr(data, "images"):
            return
        self._folder, self._maker = Path(trainer.default_root_dir, FOLDER), _maker(trainer, pl_module)
        images = {image.id: _name(image.id) for image in data.images("predict")}
        self._sources = {images[image.id]: image.sources for image in data.images("predict")}
        self._read = {name: stamp(*files) for name, files in self._sources.items()}
        journals = sorted(self._folder.glob(JOURNAL.format(rank="*")))
        rows = [row for path in journals for row in read_rows(path)]
        done = holding(rows, self._maker, self._folder, self._sources)
        if trainer.is_global_zero:
            sweep(self._folder)
        # All ranks leave out the same images, before one of them has written another.
        trainer.strategy.barrier("restored images known")
        data.leave_out({id for id, name in images.items() if name in done})
        if done:
            self.told = {"restored before": f"{len(done)} of {len(images)} images"}

    def on_predict_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: dict[str, Any],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the images of one batch."""
        if _replaced(trainer):
            return
        folder = Path(trainer.default_root_dir, FOLDER)
        for id, picture in zip(outputs["id"], outputs.get("sr", ()), strict=True):
            name = _name(id)
            write_image(folder / name, to_picture(picture))
            if name in self._sources:
                row = noted(name, self._sources[name], self._read[name], folder, self._maker)
                append_line(folder / JOURNAL.format(rank=trainer.global_rank), row)


def _replaced(trainer: L.Trainer) -> bool:
    return any(getattr(callback, "replaces_predictions", False) for callback in trainer.callbacks)  # type: ignore[attr-defined]


def _name(id: str) -> str:
    """The result of an image: an id is a path below the data root, and must stay below ours."""
    return "/".join(part for part in PurePosixPath(id).with_suffix(".png").parts if part not in ("..", "/"))


def _maker(trainer: L.Trainer, pl_module: L.LightningModule) -> str:
    """Hash of all that the images depend on but their files."""
    checkpoint: Any = getattr(pl_module, "checkpoint", None)
    data = {name: value for name, value in arguments_of(trainer, "data").items() if name not in _CHOICE}
    device = [trainer.precision, trainer.strategy.root_device.type]
    seed = config_of(trainer).get("seed_everything")
    return value_hash([checkpoint and file_hash(checkpoint), arguments_of(trainer, "model"), data, seed, device])
