"""What is built: which contents, how each is filmed, degraded and processed; all draws come from one seed."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from experiments.mini_kvq.camera import FPS
from experiments.mini_kvq.native import Native
from experiments.mini_kvq.sources import MEDIA
from experiments.mini_kvq.versions import KINDS, Act, Kind, Version
from records.errors import UserError
from records.hashing import seed_of

SHORT, LONG = 48, 144
ACTS = 3
_PORTRAIT, _LANDSCAPE = (288, 512), (512, 288)


@dataclass(frozen=True)
class Content:
    """One content: a stretch of a medium and the versions made of it.

    Args:
        name: Unique name.
        medium: Key of ``MEDIA``.
        split: ``train``, ``val``, ``test`` or ``unlabelled``.
        size: Width and height in pixels.
        frames: Number of frames at 12 per second.
        native: Degradation of the upload, one entry for each act.
        versions: Versions in the order of their file numbers, which says nothing about their quality.
        seed: Seed of the camera path and of all noise.
        first: First frame of a video's window.
        stride: Every how many frames of a video one is taken.
        centre: Centre of a video's crop as shares of width and height.
    """

    name: str
    medium: str
    split: str
    size: tuple[int, int]
    frames: int
    native: tuple[Native, ...]
    versions: tuple[Version, ...]
    seed: int
    first: int = 0
    stride: int = 1
    centre: tuple[float, float] = (0.5, 0.5)

    @property
    def source(self) -> str:
        """What is filmed; contents of one source are never divided by a split or a fold."""
        return MEDIA[self.medium].source

    def describe(self) -> dict[str, Any]:
        """The recipe as plain values."""
        return asdict(self)


# split, medium, orientation, frames, and for videos: first frame, stride, centre across.
_LABELLED: tuple[tuple[Any, ...], ...] = (
    ("train", "bikes", _LANDSCAPE, LONG, 0, 1, 0.5),
    ("train", "bikes", _LANDSCAPE, SHORT, 139, 1, 0.3),
    ("train", "bikes", _LANDSCAPE, SHORT, 190, 1, 0.6),
    ("train", "bunny", _LANDSCAPE, SHORT, 0, 2, 0.5),
    ("train", "bunny", _PORTRAIT, SHORT, 36, 2, 0.35),
    ("train", "chelsea", _LANDSCAPE, SHORT),
    ("train", "china", _LANDSCAPE, SHORT),
    ("train", "china", _PORTRAIT, LONG),
    ("train", "abbey", _LANDSCAPE, SHORT),
    ("train", "abbey", _PORTRAIT, LONG),
    ("train", "mug", _LANDSCAPE, LONG),
    ("train", "mug", _PORTRAIT, SHORT),
    ("train", "arena", _PORTRAIT, SHORT),
    ("val", "motorcycle-left", _LANDSCAPE, LONG),
    ("val", "motorcycle-right", _PORTRAIT, SHORT),
    ("val", "flower", _PORTRAIT, SHORT),
    ("val", "rocket", _PORTRAIT, SHORT),
    ("test", "city", _LANDSCAPE, SHORT, 0, 2, 0.5),
    ("test", "city", _PORTRAIT, SHORT, 120, 1, 0.45),
    ("test", "coffee", _LANDSCAPE, SHORT),
    ("test", "coffee", _PORTRAIT, SHORT),
    ("test", "astronaut", _PORTRAIT, LONG),
)
# Material for pseudo-labels: media of the training side seen in other ways, and media that no label touches.
_UNLABELLED: tuple[tuple[Any, ...], ...] = (
    ("bikes", _LANDSCAPE, SHORT, 80, 1, 0.0),
    ("bunny", _PORTRAIT, SHORT, 0, 2, 0.8),
    *((medium, _LANDSCAPE, SHORT) for medium in ("chelsea", "china", "mug", "arena", "bubbles", "hubble", "coins")),
    *((medium, _PORTRAIT, SHORT) for medium in ("abbey", "stars", "retina", "camera", "grass", "gravel", "brick")),
)
_CLIPS_OF_UNLABELLED = 4
_MIXES = (("blur",), ("noise",), ("light", "noise"), ("codec",), ("blur", "codec"), ("noise", "codec"))
# x264 and x265 share their scale; VP9's runs to 63.
_VP9_LEVELS = 1.3


def make_plan(seed: int) -> list[Content]:
    """Every content of the data set, with all that is drawn for it."""
    contents: list[Content] = []
    for split in ("train", "val", "test"):
        rows = [row[1:] for row in _LABELLED if row[0] == split]
        contents += _draw(split, rows, len(KINDS), seed)
    return contents + _draw("unlabelled", _UNLABELLED, _CLIPS_OF_UNLABELLED, seed)


def _draw(split: str, rows: Sequence[tuple[Any, ...]], versions: int, seed: int) -> list[Content]:
    rng = random.Random(seed_of(seed, "plan", split))
    # Severities stand at equal steps, so that every split spans the scale; only who gets which is drawn.
    severities = [(place + 0.5) / len(rows) for place in range(len(rows))]
    mixes = [_MIXES[place % len(_MIXES)] for place in range(len(rows))]
    rng.shuffle(severities)
    rng.shuffle(mixes)
    contents = []
    for (medium, size, frames, *window), severity, mix in zip(rows, severities, mixes, strict=True):
        name = f"{split}-{medium}-{'portrait' if size == _PORTRAIT else 'landscape'}-{len(contents)}"
        acts = ACTS if frames == LONG else 1
        kinds = list(KINDS) if versions == len(KINDS) else rng.sample(KINDS, versions)
        rng.shuffle(kinds)
        first, stride, across = window or (0, 1, 0.5)
        contents.append(
            Content(
                name=name,
                medium=medium,
                split=split,
                size=size,
                frames=frames,
                native=_draw_native(rng, severity, mix, acts),
                versions=tuple(_draw_version(rng, kind, acts) for kind in kinds),
                seed=seed_of(seed, name),
                first=first,
                stride=stride,
                centre=(across, 0.5),
            )
        )
    return contents


def _draw_native(rng: random.Random, severity: float, mix: tuple[str, ...], acts: int) -> tuple[Native, ...]:
    """Native degradation of a severity, 0 (none) to 1; over several acts it swings around it."""
    codec = rng.choice(("mpeg2", "mpeg4"))
    factors = _swing(rng, (0.4, 1.0, 1.6), acts, 1.0)
    result = []
    for factor in factors:
        strength = min(1.0, severity * factor) * (1.0 if len(mix) == 1 else 0.7)
        if strength < 0.08:
            result.append(Native())
            continue
        result.append(
            Native(
                light=round(1 - 0.7 * strength, 3) if "light" in mix else 1.0,
                blur=round(0.3 + 2.0 * strength, 3) if "blur" in mix else 0.0,
                noise=round(1 + 15 * strength, 3) if "noise" in mix else 0.0,
                codec=codec if "codec" in mix else "",
                level=round(2 + 24 * strength) if "codec" in mix else 0,
            )
        )
    return tuple(result)


def _draw_version(rng: random.Random, kind: Kind, acts: int) -> Version:
    low, high = {
        "clean": (17, 17),
        "moderate": (25, 30),
        "heavy": (33, 38),
        "severe": (41, 47),
        "rescaled": (22, 30),
        "blurred": (23, 31),
        "sharpened": (28, 36),
    }[kind]
    level = rng.randint(low, high)
    amount = {"rescaled": (0.33, 0.5), "blurred": (0.8, 2.6), "sharpened": (4.0, 14.0)}.get(kind, (0.0, 0.0))
    drawn, percent = rng.uniform(*amount), rng.randint(120, 260) if kind == "sharpened" else 0
    varied = kind in ("moderate", "heavy", "severe")
    codec = rng.choices(("h264", "hevc", "vp9"), (0.7, 0.15, 0.15))[0] if varied else "h264"
    steps = _swing(rng, (-6, 0, 6), acts, 0) if kind != "clean" else [0] * acts
    levels = [min(51, level + int(step)) for step in steps]
    if codec == "vp9":
        levels = [min(63, round(value * _VP9_LEVELS)) for value in levels]
    return Version(kind, codec, tuple(Act(value, round(drawn, 3), percent) for value in levels))


def _swing(rng: random.Random, values: tuple[float, ...], acts: int, alone: float) -> list[float]:
    """``values`` in drawn order, one for each act; ``alone`` for a content of one act."""
    return [alone] if acts == 1 else rng.sample(values, acts)


@dataclass(frozen=True)
class Clip:
    """One file of the data set.

    Args:
        id: Path below the root.
        content: The content it shows.
        recipe: The version it is.
    """

    id: str
    content: Content
    recipe: Version

    def describe(self) -> dict[str, Any]:
        """Where the clip comes from and what was done to it, as plain values."""
        content = self.content
        return {
            "source": content.source,
            "medium": content.medium,
            "split": content.split,
            "size": list(content.size),
            "frames": content.frames,
            "native": [asdict(act) for act in content.native],
            "version": asdict(self.recipe),
        }


def number_clips(plan: Sequence[Content]) -> list[Clip]:
    """A file for every version of every content; numbers of a split run on, so that each seven are one content."""
    clips: list[Clip] = []
    for split in dict.fromkeys(content.split for content in plan):
        versions = [(content, version) for content in plan if content.split == split for version in content.versions]
        clips += [
            Clip(f"{split}/{number:04d}.mp4", content, version)
            for number, (content, version) in enumerate(versions, start=1)
        ]
    return clips


def shrink(plan: Sequence[Content], contents: int | None, seconds: float | None) -> list[Content]:
    """A smaller plan of the same kind.

    Args:
        plan: All contents.
        contents: Labelled contents to keep, at least 4: a quarter each of validation and test, the rest training, and
            an eighth more without labels; None keeps all.
        seconds: Longest clip; None for the full length.

    Raises:
        UserError: Too few contents or too short clips.
    """
    kept = list(plan)
    if contents is not None:
        if contents < 4:
            raise UserError(f"--contents {contents} is too few", mend="take 4 or more")
        held = contents // 4
        wanted = {"train": contents - 2 * held, "val": held, "test": held, "unlabelled": max(1, contents // 8)}
        kept = []
        for split, count in wanted.items():
            # Long ones last: they are there for what changes over time.
            rows = sorted((content for content in plan if content.split == split), key=lambda content: content.frames)
            kept += [row for row in plan if row in rows[:count]]
    if seconds is None:
        return kept
    frames = round(seconds * FPS)
    if frames < 2 * ACTS:
        raise UserError(f"--seconds {seconds:g} is too short", mend="take half a second or more")
    return [replace(content, frames=min(content.frames, frames)) for content in kept]
