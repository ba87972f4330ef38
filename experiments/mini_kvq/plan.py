"""What is built: which contents, how each is filmed, degraded and processed; all draws come from one seed."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from experiments.mini_kvq.camera import FPS
from experiments.mini_kvq.native import Native
from experiments.mini_kvq.sources import MEDIA
from experiments.mini_kvq.versions import KINDS, Kind, Version
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


# split, medium, orientation, frames, and for videos: first frame, stride, centre across. Small pictures lie across, as
# enlarging would blur them before anything is done to them.
_LABELLED: tuple[tuple[Any, ...], ...] = (
    ("train", "bikes", _LANDSCAPE, LONG, 0, 1, 0.5),
    ("train", "bikes", _LANDSCAPE, SHORT, 139, 1, 0.3),
    ("train", "bikes", _LANDSCAPE, SHORT, 190, 1, 0.6),
    ("train", "bunny", _LANDSCAPE, SHORT, 0, 2, 0.5),
    ("train", "bunny", _PORTRAIT, SHORT, 36, 2, 0.35),
    ("train", "bunny", _PORTRAIT, SHORT, 10, 2, 0.7),
    ("train", "chelsea", _LANDSCAPE, SHORT),
    ("train", "china", _LANDSCAPE, SHORT),
    ("train", "china", _PORTRAIT, LONG),
    ("train", "abbey", _LANDSCAPE, SHORT),
    ("train", "abbey", _PORTRAIT, LONG),
    ("train", "abbey", _PORTRAIT, SHORT),
    ("train", "abbey", _PORTRAIT, SHORT),
    ("train", "mug", _LANDSCAPE, LONG),
    ("train", "mug", _PORTRAIT, SHORT),
    ("train", "mug", _PORTRAIT, SHORT),
    ("train", "arena", _LANDSCAPE, SHORT),
    ("train", "arena", _PORTRAIT, SHORT),
    ("val", "motorcycle-left", _LANDSCAPE, LONG),
    ("val", "motorcycle-left", _PORTRAIT, SHORT),
    ("val", "motorcycle-right", _PORTRAIT, SHORT),
    ("val", "flower", _LANDSCAPE, SHORT),
    ("val", "flower", _LANDSCAPE, SHORT),
    ("val", "rocket", _LANDSCAPE, SHORT),
    ("test", "city", _LANDSCAPE, SHORT, 0, 2, 0.5),
    ("test", "city", _LANDSCAPE, SHORT, 120, 1, 0.45),
    ("test", "coffee", _LANDSCAPE, SHORT),
    ("test", "coffee", _PORTRAIT, SHORT),
    ("test", "astronaut", _PORTRAIT, LONG),
    ("test", "astronaut", _PORTRAIT, SHORT),
)
# Material for pseudo-labels: media of the training side seen in other ways, and media that no label touches.
_UNLABELLED: tuple[tuple[Any, ...], ...] = (
    ("bikes", _LANDSCAPE, SHORT, 80, 1, 0.0),
    ("bunny", _PORTRAIT, SHORT, 0, 2, 0.8),
    *((medium, _LANDSCAPE, SHORT) for medium in ("chelsea", "china", "mug", "arena", "bubbles", "hubble", "coins")),
    *((medium, _PORTRAIT, SHORT) for medium in ("abbey", "stars", "retina", "camera", "grass", "gravel", "brick")),
)
_CLIPS_OF_UNLABELLED = 4
# Noise alone hardly lowers VMAF, and dark pictures lower it too much: low light shows in what the camera does about it.
_MIXES = ("focus", "bitrate", "camera", "shake", "low light")
# x264 and x265 share their scale; VP9's runs to 63.
_VP9_LEVELS = 1.3
_SWING = 6
_LEVELS = {
    "clean": (17, 17),
    "moderate": (25, 30),
    "heavy": (33, 38),
    "severe": (41, 47),
    "rescaled": (22, 30),
    "blurred": (23, 31),
    "sharpened": (28, 36),
}
_AMOUNTS = {"rescaled": (0.33, 0.5), "blurred": (0.8, 1.8), "sharpened": (4.0, 12.0)}


def make_plan(seed: int) -> list[Content]:
    """Every content of the data set, with all that is drawn for it."""
    contents: list[Content] = []
    for split in ("train", "val", "test"):
        rows = [row[1:] for row in _LABELLED if row[0] == split]
        contents += _draw(split, rows, len(KINDS), seed)
    return contents + _draw("unlabelled", _UNLABELLED, _CLIPS_OF_UNLABELLED, seed)


def _draw(split: str, rows: Sequence[tuple[Any, ...]], versions: int, seed: int) -> list[Content]:
    rng = random.Random(seed_of(seed, "plan", split))
    severities = _draw_severities([MEDIA[row[0]].source for row in rows], rng)
    mixes = [_MIXES[place % len(_MIXES)] for place in range(len(rows))]
    rng.shuffle(mixes)
    contents: list[Content] = []
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


def _draw_severities(sources: Sequence[str], rng: random.Random) -> list[float]:
    """Equal steps from 0 to 1 in drawn order, such that no source has only light or only severe ones."""
    steps = [(place + 0.5) / len(sources) for place in range(len(sources))]
    best: tuple[float, list[float]] | None = None
    for _ in range(200):
        rng.shuffle(steps)
        of_source: dict[str, list[float]] = {}
        for source, step in zip(sources, steps, strict=True):
            of_source.setdefault(source, []).append(step)
        unevenness = sum(len(own) * (sum(own) / len(own) - 0.5) ** 2 for own in of_source.values())
        if best is None or unevenness < best[0]:
            best = unevenness, list(steps)
    assert best is not None
    return best[1]


def _draw_native(rng: random.Random, severity: float, mix: str, acts: int) -> tuple[Native, ...]:
    """Native degradation of a severity, 0 (none) to 1; over several acts it swings around it."""
    codec = rng.choice(("mpeg2", "mpeg4"))
    factors = [1.0] if acts == 1 else rng.sample((0.4, 1.0, 1.6), acts)
    return tuple(_native(mix, min(1.0, severity * factor), codec) for factor in factors)


def _native(mix: str, strength: float, old_codec: str) -> Native:
    if strength < 0.06:
        return Native()
    if mix == "focus":
        return Native(blur=round(0.3 + 1.7 * strength, 3))
    if mix == "bitrate":
        return Native(codec="h264", level=round(24 + 21 * strength))
    if mix == "camera":
        return Native(scale=round(1 - 0.55 * strength, 3), codec=old_codec, level=round(3 + 12 * strength))
    if mix == "shake":
        return Native(blur=round(0.3 + strength, 3), codec="h264", level=round(22 + 14 * strength))
    return Native(
        light=round(1 - 0.75 * strength, 3),
        noise=round(1 + 2 * strength, 3),
        blur=round(0.3 + 0.9 * strength, 3),
        codec="h264",
        level=round(22 + 12 * strength),
    )


def _draw_version(rng: random.Random, kind: Kind, acts: int) -> Version:
    level = rng.randint(*_LEVELS[kind])
    codec = rng.choices(("h264", "hevc", "vp9"), (0.7, 0.15, 0.15))[0]
    percent = rng.randint(120, 260) if kind == "sharpened" else 0
    amount = rng.uniform(*_AMOUNTS[kind]) if kind in _AMOUNTS else 0.0
    amounts: tuple[float, ...] = (round(amount, 3),) if amount else ()
    swing: tuple[int, ...] = (0,)
    if acts > 1:
        swing = tuple(rng.sample((-_SWING, 0, _SWING), acts))
        if kind in ("blurred", "sharpened"):
            amounts = tuple(round(amount * factor, 3) for factor in rng.sample((0.6, 1.0, 1.4), acts))
    # x264 alone changes its level within a clip.
    if acts > 1 or kind not in ("moderate", "heavy", "severe"):
        codec = "h264"
    return Version(kind, codec, round(level * _VP9_LEVELS) if codec == "vp9" else level, swing, amounts, percent)


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
            "content": content.name,
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
            raise UserError("too few", where=f"--contents {contents}", mend="take 4 or more")
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
        raise UserError("too short", where=f"--seconds {seconds:g}", mend="take half a second or more")
    return [replace(content, frames=min(content.frames, frames)) for content in kept]
