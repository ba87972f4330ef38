"""Images as samples; one that cannot be read is replaced, passed over, or ends the run, as asked."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.image.files import ImageFiles
from datamodules.loader import Fault
from datamodules.order import Key
from datamodules.quarantine import Quarantine
from records.errors import UserError
from records.hashing import seed_of
from records.images import UnreadableImage

OnUnreadable = Literal["substitute", "fail"]
# Makes a sample of an image; the number is the epoch or pass that its draws belong to.
Render = Callable[[ImageFiles, int], dict[str, Any]]
# Drawing this many unreadable images in a row means that nearly all of them are.
_DRAWS = 16


class ImageDataset(Dataset):
    """Images of one split as samples.

    Args:
        images: The images.
        render: Makes a sample of one of them.
        quarantine: Where unreadable files are noted.
        split: Name of the split, for that list.
        seed: Seed of the run.
        substitute: Read another image, drawn from (seed, epoch, id), in place of an unreadable one; else leave it out.
        fail: End the run at the first unreadable image.
        allowed: Unreadable images of the split that are put up with; one more ends the run.
    """

    def __init__(
        self,
        images: Sequence[ImageFiles],
        render: Render,
        quarantine: Quarantine,
        *,
        split: str,
        seed: int = 0,
        substitute: bool = False,
        fail: bool = False,
        allowed: int = 0,
    ) -> None:
        self.images, self.render, self.quarantine, self.split = images, render, quarantine, split
        self.seed, self.substitute, self.fail, self.allowed = seed, substitute, fail, allowed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: int | Key | None) -> dict[str, Any] | Fault | None:
        """Read one image.

        Args:
            key: Epoch or pass, and place in ``images``, or the place alone (epoch 0); None for no image.

        Returns:
            What ``render`` makes; None for an image that is left out; a fault for what should end the run.
        """
        if key is None:
            return None
        epoch, place = key if isinstance(key, tuple) else (0, key)
        asked = image = self.images[place]
        for draw in range(_DRAWS):
            try:
                return self.render(image, epoch)
            except (UnreadableImage, OSError) as error:
                fault = self._note(image, str(error) or type(error).__name__)
            except UserError as error:
                return Fault(error)
            if fault or not self.substitute:
                return fault
            image = self.images[seed_of("substitute", self.seed, epoch, asked.id, draw) % len(self.images)]
        return Fault(self._too_many(f"{_DRAWS} images in a row"))

    def _note(self, image: ImageFiles, reason: str) -> Fault | None:
        count = self.quarantine.add(image.id, reason, self.split)
        if self.fail:
            mend = "mend or remove the file, or set data.init_args.on_unreadable: substitute"
            return Fault(UserError(reason, where=str(image.path), mend=mend))
        return Fault(self._too_many(str(count))) if count > self.allowed else None

    def _too_many(self, count: str) -> UserError:
        return UserError(
            f"{count} of {len(self.images)} {self.split} images cannot be read, and {self.allowed} are put up with",
            where=str(self.quarantine.path or self.images[0].path.parent),
            mend="mend the files listed there, or raise data.init_args.unreadable_share",
        )


def stacked(samples: list[Any]) -> dict[str, Any] | Fault:
    """A training batch: tensors stacked, everything else as lists; the first fault where there is one."""
    for sample in samples:
        if isinstance(sample, Fault):
            return sample
    columns = {name: [sample[name] for sample in samples] for name in samples[0]}
    return {name: torch.stack(values) if isinstance(values[0], Tensor) else values for name, values in columns.items()}


def alone(samples: list[Any]) -> dict[str, Any] | Fault:
    """An evaluation batch, which is one sample as it is; ``{"id": []}`` where there was nothing to read."""
    (sample,) = samples
    return {"id": []} if sample is None else sample
