"""Still pictures as files: read upright as 8-bit RGB whatever they hold, written without loss."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from records.errors import printable
from records.files import atomic_path
from records.limits import limit, raised
from records.places import leads_out

SUFFIXES = frozenset(".png .jpg .jpeg .webp .bmp .tif .tiff".split())
# What is read, whatever the name says. Pillow knows more, some of which start other programs (PostScript).
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM")


class UnreadableImage(Exception):
    """A file that gives no picture; the message is the reason in one line, without the path."""


def read_image(path: str | Path, max_pixels: int | None = None) -> np.ndarray:
    """Read one picture: rotation of the metadata applied, grey repeated, 16 bit scaled to 8, alpha left out.

    Args:
        path: The file; its content decides the format, not its name.
        max_pixels: Refuse pictures that claim more, before a pixel is decoded; None for ``SUGC_MAX_IMAGE_PIXELS``.

    Returns:
        uint8 RGB (height, width, 3).

    Raises:
        UnreadableImage: No picture, a damaged one, or a too large one.
    """
    with _opened(path, max_pixels) as image:
        return _rgb(image)


def read_alpha(path: str | Path, max_pixels: int | None = None) -> np.ndarray | None:
    """Opacity of a picture, uint8 (height, width), upright as in :func:`read_image`; None where it has none."""
    with _opened(path, max_pixels) as image:
        if "A" not in image.getbands() and "transparency" not in image.info:
            return None
        return np.array(image.convert("RGBA").getchannel("A"))


def image_size(path: str | Path, max_pixels: int | None = None) -> tuple[int, int]:
    """Height and width of a picture as it is read, from its header where no rotation is noted."""
    try:
        with _open(path, max_pixels) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            width, height = image.size
    except UnreadableImage:
        raise
    except Exception as error:  # decoders raise many kinds on damaged bytes
        raise UnreadableImage(_reason(error)) from None
    return (width, height) if turned else (height, width)


def write_image(path: str | Path, picture: np.ndarray) -> None:
    """Write a PNG without loss, whole or not at all.

    Args:
        path: File ending in ``.png``.
        picture: uint8 (height, width, 3) RGB or (height, width, 4) RGBA.
    """
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(picture)).save(temporary, format="PNG", compress_level=4)


def find_images(folder: str | Path) -> list[Path]:
    """Pictures below a folder, by name, hidden ones left out; links that lead out of the folder are not followed."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(place, name) for name in names if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(path for path in found if not (path.is_symlink() and leads_out(path, Path(folder))))


def to_tensor(picture: np.ndarray) -> Tensor:
    """uint8 (height, width, 3) to float32 (3, height, width) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float().div(255)


def to_picture(tensor: Tensor) -> np.ndarray:
    """Float (3, height, width) in [0, 1], clamped and rounded, to uint8 (height, width, 3)."""
    return tensor.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


class _opened:
    """A decoded, upright picture; every complaint of the decoder as an UnreadableImage."""

    def __init__(self, path: str | Path, max_pixels: int | None) -> None:
        self.path, self.max_pixels = path, max_pixels

    def __enter__(self) -> Image.Image:
        try:
            with _open(self.path, self.max_pixels) as image:
                image.load()
                return ImageOps.exif_transpose(image)
        except UnreadableImage:
            raise
        except Exception as error:  # decoders raise many kinds on damaged bytes
            raise UnreadableImage(_reason(error)) from None

    def __exit__(self, *_: object) -> None:
        pass


def _open(path: str | Path, max_pixels: int | None) -> Image.Image:
    """A picture of which the header alone is read; a pipe, which would be waited for, and a large one are refused."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise UnreadableImage("is a folder, a pipe or a device")
    most = limit("IMAGE_PIXELS") if max_pixels is None else max_pixels
    # Pillow's own limit must not stand in the way of one that was raised.
    theirs, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        image = Image.open(path, formats=FORMATS)
    finally:
        Image.MAX_IMAGE_PIXELS = theirs
    width, height = image.size
    if width * height > most:
        image.close()
        told = f"{width}x{height} is over {most / 1e6:g} million pixels"
        raise UnreadableImage(told if max_pixels else f"{told}; {raised('IMAGE_PIXELS')}")
    return image


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        if image.mode.startswith("I"):
            values = values / 257  # 65535 becomes 255
        grey = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"))


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if text.startswith("cannot identify image file"):
        return "no picture of a known format"
    return printable(text[:200]) or type(error).__name__
