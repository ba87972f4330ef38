"""Write two candidates of every image, for a fusion to learn from; nothing done is lost to a kill."""

import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning as L

from callbacks.run_facts import arguments_of
from records.candidates import FILE, KINDS, Candidate, CandidateSet, candidates, read_candidates
from records.errors import UserError
from records.files import append_line, read_lines
from records.hashing import file_hash, value_hash
from records.images import to_picture, write_image
from records.leftovers import sweep
from records.provenance import environment

# One journal a writer, while `predict` runs.
PARTS = ".parts"
# Settings of the model that change what it restores.
_SETTINGS = ("network", "stage", "pixel_adapter", "inference", "tiles")


class CandidateWriter(L.Callback):
    """Write the candidates that ``predict`` gives, in place of restored images.

    For every image ``SPLIT/DOMAIN/psnr/STEM.png`` and ``SPLIT/DOMAIN/per/STEM.png``, 8 bit without loss, and
    ``candidates.json``, which says who made them and how. The same command goes on where it was stopped, and a command
    for another split adds to the folder; candidates of another checkpoint or other settings are refused beside these.

    Of every image is noted whether the run's configuration trains on it or on another image of the same content, so
    predict with the configuration of the fit.

    The module's ``predict_step`` gives ``id``, ``psnr`` and ``per``, (1, 3, H, W) in [0, 1], and perhaps ``facts``,
    plain values on how they were made.

    Args:
        out: Folder to write to; null for ``candidates`` in the run folder. On several machines it must be on a disk
            that all of them see.

    Attributes:
        told: What the end screen says of the folder.
        figures: What the summary says of it.
    """

    replaces_predictions = True

    def __init__(self, out: str | None = None) -> None:
        self.out = out
        self.told: dict[str, str] = {}
        self.figures: dict[str, Any] = {}
        self._root, self._maker, self._settings = Path(), dict[str, Any](), dict[str, Any]()
        # Ids and contents of the images that the run's configuration trains on.
        self._seen: frozenset[str] = frozenset()

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Find out what the same maker has written before; that is not made again."""
        if stage != "predict":
            return
        self._root = Path(self.out or Path(trainer.default_root_dir) / "candidates")
        checkpoint: Any = getattr(pl_module, "checkpoint", None)
        if checkpoint is None:
            raise UserError("candidates need a trained model", where="--ckpt_path", mend="give a checkpoint")
        self._settings = _settings(trainer)
        self._maker = {"checkpoint": file_hash(checkpoint), "settings": value_hash(self._settings)}
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if not hasattr(data, "images"):
            raise _gives_none(pl_module)
        self._seen = frozenset(name for image in data.images("train") for name in (image.id, image.content))
        done = {
            image.id for image in self._written() if all((self._root / image.path(kind)).is_file() for kind in KINDS)
        }
        if trainer.is_global_zero:
            sweep(self._root)
        # All ranks leave out the same images, before one of them has written another.
        trainer.strategy.barrier("candidates known")
        data.leave_out(done)

    def on_predict_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: dict[str, Any],
        batch: dict[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Put the candidates of one image on disk."""
        if not outputs["id"]:
            return
        if not all(kind in outputs for kind in KINDS):
            raise _gives_none(pl_module)
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        id, pictures = outputs["id"][0], {kind: to_picture(outputs[kind][0]) for kind in KINDS}
        image = Candidate(
            id=id,
            split=data.split_of(id),
            domain=batch["domain"][0],
            size=(pictures["psnr"].shape[0], pictures["psnr"].shape[1]),
            scale=int(batch["scale"]),
            seen=not self._seen.isdisjoint((id, *batch["content"])),
            made=dict(outputs.get("facts") or {}),
        )
        for kind in KINDS:
            write_image(self._root / image.path(kind), pictures[kind])
        journal = self._root / PARTS / f"part-{trainer.global_rank}-{os.getpid()}.jsonl"
        append_line(journal, {"maker": self._maker, "image": asdict(image)})

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """List what all ranks have written."""
        trainer.strategy.barrier("candidates written")
        if trainer.is_global_zero:
            images = list({image.id: image for image in self._written()}.values())
            if not images:
                raise UserError("no image was restored", where=str(self._root), mend="look into quarantine.csv")
            facts = {
                "settings": self._settings,
                "seed": int(os.environ.get("PL_GLOBAL_SEED", "0")),
                "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "environment": environment(),
            }
            CandidateSet(self._root, self._maker, facts, images).write()
            shutil.rmtree(self._root / PARTS, ignore_errors=True)
            splits = sorted({image.split for image in images})
            counts = {split: sum(image.split == split for image in images) for split in splits}
            shown = ", ".join(f"{count} {split}" for split, count in counts.items())
            self.told = {"written": str(self._root), "candidates": f"two of each of {len(images)} images ({shown})"}
            self.figures = {"candidates": {"folder": str(self._root), "images": counts, **self._maker}}

    def _written(self) -> Iterable[Candidate]:
        """What the folder holds so far, listed or in journals.

        Raises:
            UserError: Something else made it.
        """
        if (self._root / FILE).is_file():
            before = read_candidates(self._root)
            self._refuse_another(before.maker, self._root / FILE)
            yield from before.images
        for path in sorted((self._root / PARTS).glob("part-*.jsonl")):
            rows = read_lines(path)
            for row in rows:
                self._refuse_another(row["maker"], path)
            yield from candidates(row["image"] for row in rows)

    def _refuse_another(self, maker: dict[str, Any], path: Path) -> None:
        different = [name for name in {**self._maker, **maker} if maker.get(name) != self._maker.get(name)]
        if different:
            raise UserError(
                f"holds candidates made with {' and '.join(f'another {name}' for name in different)}",
                where=str(path),
                mend=f"give CandidateWriter another folder as out, or remove {self._root}",
            )


def _gives_none(model: L.LightningModule) -> UserError:
    mend = "use CandidateWriter with the model of stage semantic"
    return UserError(f"{type(model).__name__} gives no candidates", where="trainer.callbacks", mend=mend)


def _settings(trainer: L.Trainer) -> dict[str, Any]:
    """What the run's configuration says of how images are restored."""
    model = arguments_of(trainer, "model")
    return {name: model[name] for name in _SETTINGS if name in model}
