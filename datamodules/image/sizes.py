"""Sizes of images from their headers, and the one ratio that a pair must have."""

from collections.abc import Iterable
from pathlib import Path

from datamodules.image.files import ImageFiles
from records.errors import UserError
from records.images import UnreadableImage, image_size


class Sizes:
    """Height and width of image files; every header is read once."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, int] | None] = {}

    def __call__(self, path: Path | None) -> tuple[int, int] | None:
        """Height and width of the image as it is read; None where there is none, or its header tells nothing."""
        if path is None:
            return None
        if path not in self._known:
            try:
                self._known[path] = image_size(path)
            except UnreadableImage:
                self._known[path] = None
        return self._known[path]

    def refuse_other_ratios(self, images: Iterable[ImageFiles]) -> None:
        """Refuse pairs of which HR is not exactly ``scale`` times LR; what cannot be read is left for later.

        Raises:
            UserError: Names the first such pair with both sizes.
        """
        wrong = []
        for image in images:
            lr, hr = self(image.lr), self(image.hr)
            if lr and hr and ratio_fault(lr, hr, image.scale):
                wrong.append((image, ratio_fault(lr, hr, image.scale)))
        if wrong:
            image, fault = wrong[0]
            more = f" (and so are {len(wrong) - 1} more pairs)" if len(wrong) > 1 else ""
            mend = "mend the pair, or set data.init_args.scale to the scale of the data"
            raise UserError(f"{fault}{more}", where=str(image.hr), mend=mend)


def ratio_fault(lr: tuple[int, int], hr: tuple[int, int], scale: int) -> str:
    """What is wrong with the sizes (height, width) of a pair; empty where nothing is."""
    if hr == (lr[0] * scale, lr[1] * scale):
        return ""
    return f"HR is {hr[1]}x{hr[0]} and its LR {lr[1]}x{lr[0]} pixels, not 1/{scale} of it"
