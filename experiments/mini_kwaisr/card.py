"""The data card: what the set is and is not, and whose pictures it is made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.mini_kwaisr.sources import CLIPS, PHOTOGRAPHS
from records.files import write_text
from records.labels import SPLITS

MEDIA = {
    medium.name: medium
    for medium in (
        *(medium for media in PHOTOGRAPHS.values() for medium in media),
        *(clip.medium for clips in CLIPS.values() for clip in clips),
    )
}


def summary(manifest: dict[str, Any]) -> str:
    """What was built, in a few lines for the screen."""
    lines = []
    for split in SPLITS:
        pairs, wild = _of_split(manifest["pairs"], split), _of_split(manifest["wild"], split)
        lines.append(f"{split}: {len(pairs)} pairs of {', '.join(_names(pairs))}; {len(wild)} wild frames")
    lines += [f"bicubic on {split}: {figures}" for split, figures in _bicubic(manifest).items()]
    return "\n".join(lines)


def write_card(path: Path, manifest: dict[str, Any]) -> None:
    """Write the data card as Markdown.

    Args:
        path: Where.
        manifest: What stands in ``manifest.json``.
    """
    cut = "This is a cut-down set for a quick look, not the full one. " if manifest["photos"] is not None else ""
    text = f"""# mini-KwaiSR

{cut}A small super-resolution set in KwaiSR's form, made on this machine from photographs and clips that Python packages
ship. It shows that training, inference and scoring work, and ranks settings roughly. **It holds no picture of KwaiSR: a
figure on it is never a KwaiSR result.**

| split | photographs | pairs | wild frames | of clips |
|---|---|---|---|---|
{chr(10).join(_split_row(manifest, split) for split in SPLITS)}

- `SPLIT/synthetic/hr/`: windows of the photographs, 256x256 held out, 320x320 to train on, chosen for detail: flat sky
  and blurred ground are left out. Windows to train on overlap; held-out ones share a fifth of their area at most.
- `SPLIT/synthetic/lr/`: the same windows at a quarter of the sides, degraded by the preset `kwai`: blur, resizing,
  noise and JPEG in two rounds, and intra frames of a real H.264 encoder. Same names as in `hr/`.
- `train/hr/`: the whole training photographs, for degradation on the fly.
- `SPLIT/wild/`: frames of compressed clips as they decode, at most 256x320, without HR.
- `manifest.json`: photograph, package, licence, window and degradation of every picture. Seed {manifest["seed"]}.

A photograph stands in one split with all its windows, both pictures of a stereo pair too; so does a clip. Windows of
one photograph are alike, so take intervals by photograph.

## A figure to beat

Bicubic enlargement, by the challenge's convention (luma, 4 pixels cropped), mean over the pairs with its 95 % interval
over photographs:

{chr(10).join(f"- {split}: {figures}" for split, figures in _bicubic(manifest).items())}

## What it cannot show

Few photographs, most of 0.1 to 0.5 million pixels, some of them JPEG files: HR has limits of its own. The pairs' damage
is made up, and the clips were encoded once or twice, not by a platform.

## Pictures and licences

| name | package | shows, by | licence | used in |
|---|---|---|---|---|
{chr(10).join(_credits(manifest))}

Pictures were cut and, as LR, degraded. Where a package names no licence of its own for a file, the licence given is the
package's.
"""
    write_text(path, text)


def _of_split(rows: dict[str, dict[str, Any]], split: str) -> list[dict[str, Any]]:
    return [row for id, row in rows.items() if id.startswith(f"{split}/")]


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return sorted({row["name"] for row in rows})


def _split_row(manifest: dict[str, Any], split: str) -> str:
    pairs, wild = _of_split(manifest["pairs"], split), _of_split(manifest["wild"], split)
    cells = [split, ", ".join(_names(pairs)), str(len(pairs)), str(len(wild)), ", ".join(_names(wild))]
    return f"| {' | '.join(cells)} |"


def _bicubic(manifest: dict[str, Any]) -> dict[str, str]:
    return {
        split: f"PSNR {row['psnr']:.2f} dB{_range(row['psnr_interval'], 2)}, "
        f"SSIM {row['ssim']:.3f}{_range(row['ssim_interval'], 3)}"
        for split, row in manifest["bicubic"].items()
    }


def _range(interval: Sequence[float] | None, digits: int) -> str:
    return f" ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})" if interval else ""


def _credits(manifest: dict[str, Any]) -> list[str]:
    used = {row["name"]: id.split("/")[0] for part in ("pairs", "wild") for id, row in manifest[part].items()}
    return [
        f"| {name} | {medium.package} | {medium.credit} | {medium.licence} | {used[name]} |"
        for name, medium in MEDIA.items()
        if name in used
    ]
