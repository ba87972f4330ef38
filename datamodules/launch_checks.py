"""What can be known to go wrong before the first clip is read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from datamodules.dataset import Clip
from datamodules.video.views.base import View
from datamodules.video.views.stored import StoredView
from records.errors import UserError

KEYS = "data.init_args"


def check_range(at_least: float, at_most: float | None = None, **values: float) -> None:
    """Refuse configuration values outside a range; the names are those of the configuration.

    Raises:
        UserError: A value is too small or too large.
    """
    for name, value in values.items():
        if value < at_least or (at_most is not None and value > at_most):
            mend = f"give {at_least} or more" if at_most is None else f"give {at_least} to {at_most}"
            raise UserError(f"{value} is out of range", where=f"{KEYS}.{name}", mend=mend)


def check_media(split: str, clips: Sequence[Clip], root: Path) -> None:
    """Refuse a split of which no file exists.

    Raises:
        UserError: Nothing is there.
    """
    if not any(clip.path.is_file() for clip in clips):
        raise UserError(
            f"none of the {len(clips)} {split} clips is there, for example {clips[0].id}",
            where=str(root),
            mend=f"put the videos there, or look with: python -m experiments check-data {root}",
        )


def check_stored(split: str, clips: Sequence[Clip], views: Mapping[str, View], share: float) -> None:
    """Refuse a split of which a store lacks more clips than may be unreadable.

    Raises:
        UserError: Names the view and a clip.
    """
    for name, view in views.items():
        lacking = view.missing([clip.id for clip in clips]) if isinstance(view, StoredView) else []
        if len(lacking) > max(1, int(share * len(clips))) or len(lacking) == len(clips):
            raise UserError(
                f"rows of {len(lacking)} of {len(clips)} {split} clips are missing, for example of {lacking[0]}",
                where=f"{KEYS}.views.{name}",
                mend="fill them: `python train.py predict` with the config of each expert in configs/exp/kvq/features",
            )


def check_evaluation(split: str, clips: Sequence[Clip], world: int) -> None:
    """Refuse ranks that would have nothing to evaluate, which takes a job down.

    Raises:
        UserError: There are more ranks than clips.
    """
    if len(clips) < world:
        mend = f"use at most {len(clips)}"
        raise UserError(f"{len(clips)} {split} clips are too few for {world} ranks", where="trainer.devices", mend=mend)


def check_training(clips: Sequence[Clip], batch_size: int, world: int, ladders: int, on_unreadable: str) -> None:
    """Refuse settings that give no batch, or batches of unequal size on several ranks.

    Raises:
        UserError: The clips do not fill one batch, a batch cannot hold so many contents, or skipping is asked for.
    """
    if len(clips) < batch_size * world:
        raise UserError(
            f"{len(clips)} training clips do not fill a batch of {batch_size} on each of {world} rank(s)",
            where=f"{KEYS}.batch_size",
            mend=f"give at most {len(clips) // world}",
        )
    if world > 1 and on_unreadable == "skip":
        raise UserError(
            "skip makes batches of unequal size, which several ranks cannot train on",
            where=f"{KEYS}.on_unreadable",
            mend="use substitute",
        )
    largest = max(Counter(clip.content for clip in clips).values())
    if ladders * largest > batch_size:
        raise UserError(
            f"{ladders} contents of up to {largest} clips do not fit a batch of {batch_size}",
            where=f"{KEYS}.ladders_per_batch",
            mend=f"give at most {batch_size // largest}, or batch_size: {ladders * largest}",
        )
