"""Everything that one image file can tell, gathered in the process that opens it."""

from dataclasses import dataclass, field
from pathlib import Path

from datamodules.image.statistics import picture_statistics
from experiments.data_report.scan import Scan
from experiments.data_report.similar import fingerprint
from records.hashing import file_hash
from records.images import UnreadableImage, read_image


@dataclass
class ImageScan(Scan):
    """Facts of one image, in the terms of a video of one frame.

    Args:
        statistics: Statistics of the picture, where they were asked for.
    """

    statistics: dict[str, float] = field(default_factory=dict)


def scan_image(id: str, path: Path, measured: bool) -> ImageScan:
    """Open one file and look at it; whatever is wrong with it is told, not raised.

    Args:
        id: The file's id.
        path: The file.
        measured: Take the picture's statistics.
    """
    result = ImageScan(id)
    try:
        result.size_bytes, result.digest = path.stat().st_size, file_hash(path)
        picture = read_image(path)
        result.height, result.width = picture.shape[:2]
        middle = -(-result.height // 2)
        # Three looks, as a video has three frames: one alone is too short to tell pictures apart.
        result.prints = tuple(map(fingerprint, (picture, picture[:middle], picture[-middle:])))
        if measured:
            result.statistics = picture_statistics(picture)
    except UnreadableImage as error:
        result.error = str(error)
    except Exception as error:  # a decoder's own failure must not end the scan of thousands
        result.error = f"{type(error).__name__}: {error}"
    return result


def image_died(id: str, *_: object) -> ImageScan:
    """What stands for a file whose process was ended from outside."""
    return ImageScan(id, error="the decoder ended the process that read it")
