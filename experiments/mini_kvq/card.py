"""The data card: what the set is and is not, how its labels spread, whose media it is made of."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from experiments.mini_kvq.sources import MEDIA
from experiments.mini_kvq.versions import KINDS
from records.files import write_text
from records.labels import SPLITS

LABELLERS = {
    "vmaf-torch": "the package vmaf-torch, a PyTorch implementation that agrees with libvmaf to about 0.02",
    "ffmpeg": "libvmaf in the ffmpeg of the package imageio-ffmpeg, which agrees with vmaf-torch to about 0.02",
}


TRUNK_WORDS = {
    "pretrained": "last stage, ImageNet weights",
    "all_stages": "all stages, ImageNet weights",
    "random": "last stage, random weights",
}


def describe_labels(manifest: dict[str, Any]) -> dict[str, Any]:
    """Spread of the labels.

    Args:
        manifest: What stands in ``manifest.json``.

    Returns:
        ``contents``, ``clips``, ``unlabelled``, ``mean``, ``sd``, ``least``, ``most``; ``within``: root of the mean
        variance of a content's versions; ``between``: deviation of the contents' means; ``of_kind``: mean of each kind
        of version; ``oracle_content`` and ``oracle_kind``: SROCC of knowing a clip's content mean, or the mean of its
        kind, and nothing else.
    """
    from scipy.stats import spearmanr

    labelled = {id: clip for id, clip in manifest["clips"].items() if clip["score"] is not None}
    scores = [clip["score"] for clip in labelled.values()]
    contents = _grouped([clip["content"] for clip in labelled.values()], scores)
    kinds = _grouped([clip["version"]["kind"] for clip in labelled.values()], scores)
    mean_of_content = {content: fmean(values) for content, values in contents.items()}
    mean_of_kind = {kind: fmean(kinds[kind]) for kind in KINDS if kind in kinds}
    by_content = [mean_of_content[clip["content"]] for clip in labelled.values()]
    by_kind = [mean_of_kind[clip["version"]["kind"]] for clip in labelled.values()]
    return {
        "contents": len(contents),
        "clips": len(labelled),
        "unlabelled": len(manifest["clips"]) - len(labelled),
        "mean": fmean(scores),
        "sd": pstdev(scores),
        "least": min(scores),
        "most": max(scores),
        "within": fmean(pstdev(values) ** 2 for values in contents.values()) ** 0.5,
        "between": pstdev(mean_of_content.values()),
        "of_kind": mean_of_kind,
        "oracle_content": float(spearmanr(by_content, scores)[0]),
        "oracle_kind": float(spearmanr(by_kind, scores)[0]),
    }


def summary(manifest: dict[str, Any]) -> str:
    """What was built, in a few lines for the screen."""
    spread = describe_labels(manifest)
    ridge = manifest["ridge"]
    lines = [
        f"{spread['clips']} clips of {spread['contents']} contents with labels, {spread['unlabelled']} without",
        f"labels: proxy by VMAF-NEG ({manifest['label']['by']}), mean {spread['mean']:.2f}, sd {spread['sd']:.2f},"
        f" within a content {spread['within']:.2f}, between {spread['between']:.2f}",
        "out-of-fold ridge on frozen features:",
        *(f"  {words}: {_figures(ridge[name])}" for name, words in TRUNK_WORDS.items()),
    ]
    return "\n".join(lines)


def write_card(path: Path, manifest: dict[str, Any]) -> None:
    """Write the data card as Markdown.

    Args:
        path: Where.
        manifest: What stands in ``manifest.json``.
    """
    spread = describe_labels(manifest)
    splits = [_split_row(split, manifest["clips"].values()) for split in SPLITS]
    small = manifest["contents"] is not None or manifest["seconds"] is not None
    cut = "This is a cut-down set for a quick look, not the full one. " if small else ""
    text = f"""# mini-KVQ

{cut}A small set of processed short videos in KVQ's file layout, made on this machine from videos and photographs that
Python packages ship. It shows that training, scoring and prediction work, and ranks settings roughly.

**The labels are a proxy, not human opinion.** Each is VMAF-NEG of the clip against its untouched master, computed by a
formula. A figure on this set is never a KVQ result and says nothing about one.

## What is in it

| split | contents | clips | sources | mean label |
|---|---|---|---|---|
{chr(10).join(splits)}

- `train/ val/ test/`: H.264, HEVC or VP9 in MP4, 288x512 or 512x288, 12 frames per second, 4 s or 12 s. Seven files in
  a row show one content; their order within the seven is drawn and tells nothing.
- `train.csv val.csv test.csv`: `filename,score`; `labels.csv`: all of them, with content and split.
- `val_pairs.csv test_pairs.csv`: rank pairs, `nonsource` of two contents, `source` of two versions of one. Their ranks
  follow from the labels; near ties (below 0.1) are left out.
- `folds.csv`: five folds. Folds and splits keep a source whole: all windows of a video, both pictures of a stereo pair.
- `unlabelled/`: {spread["unlabelled"]} clips of training sources and of other pictures, for pseudo-labels;
  `unlabelled.csv` says which of them show one content.
- `manifest.json`: source, recipe, VMAF-NEG and fold of every clip. Seed {manifest["seed"]}.

## How a clip is made

1. Master: a window of a video, or a photograph filmed by a made-up hand-held camera (pan, zoom, shake). Photographs
   have real texture and synthetic motion.
2. Upload: the master degraded as a whole content, from hardly to severely: out of focus, starved of bits, an old camera
   codec at a smaller size, shaken and starved, or low light with gain, noise and denoising.
3. Seven versions of the upload: transcodes at four strengths, a smaller size scaled back, a blur, noise with
   oversharpening; all through real encoders. Clips of 12 s have three acts of different strength.

## The label

`score = {manifest["label"]["score"]}`, rounded to 0.01, the same for every content. NEG is the mean over 12 frames
(every 4th of 4 s, every 12th of 12 s) of VMAF-NEG v0.6.1 on luma, with the motion term of neighbouring frames of the
whole master. Measured by {LABELLERS[manifest["label"]["by"]]}.
Every version is compared with the untouched master, not with its upload, so what the upload suffered counts too. The
metric takes masters as perfect, and hardly minds grain.

| labels | |
|---|---|
| mean, standard deviation | {spread["mean"]:.2f}, {spread["sd"]:.2f} |
| least, most | {spread["least"]:.2f}, {spread["most"]:.2f} |
| deviation within a content, between contents | {spread["within"]:.2f}, {spread["between"]:.2f} |
| mean by version | {", ".join(f"{kind} {mean:.2f}" for kind, mean in spread["of_kind"].items())} |
| SROCC of knowing only each content's mean | {spread["oracle_content"]:.3f} |
| SROCC of knowing only the kind of version | {spread["oracle_kind"]:.3f} |

## What a simple model reaches

Frozen tf_efficientnet_lite0, 4 frames, centre crop 224, mean and deviation of feature maps, ridge regression; folds by
source, predictions pooled, 95 % intervals over contents.

| features | SROCC | PLCC | SROCC of each fold |
|---|---|---|---|
{chr(10).join(_ridge_row(name, manifest["ridge"][name]) for name in TRUNK_WORDS)}

## Media and licences

| medium | package | shows, by | licence | used in |
|---|---|---|---|---|
{chr(10).join(_credits(manifest["clips"].values()))}

Pictures and videos were cropped, scaled, degraded and encoded anew. Where a package names no licence of its own for a
file, the licence given is the package's.
"""
    write_text(path, text)


def _grouped(keys: Sequence[str], values: Sequence[float]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for key, value in zip(keys, values, strict=True):
        groups.setdefault(key, []).append(value)
    return groups


def _figures(ridge: dict[str, Any]) -> str:
    return ", ".join(
        f"{name.upper()} {ridge[name]:.3f} {_range(ridge[name + '_interval'])}" for name in ("srocc", "plcc")
    )


def _range(interval: Sequence[float]) -> str:
    return f"({interval[0]:.3f} to {interval[1]:.3f})" if interval else "(no interval)"


def _ridge_row(name: str, ridge: dict[str, Any]) -> str:
    cells = [TRUNK_WORDS[name], *(f"{ridge[key]:.3f} {_range(ridge[f'{key}_interval'])}" for key in ("srocc", "plcc"))]
    cells.append(", ".join(f"{value:.2f}" for value in ridge["srocc_of_folds"]))
    return f"| {' | '.join(cells)} |"


def _split_row(split: str, clips: Any) -> str:
    rows = [clip for clip in clips if clip["split"] == split]
    contents, sources = ({row[key] for row in rows} for key in ("content", "source"))
    mean = fmean(row["score"] for row in rows)
    return f"| {split} | {len(contents)} | {len(rows)} | {', '.join(sorted(sources))} | {mean:.2f} |"


def _credits(clips: Any) -> list[str]:
    used: dict[str, dict[str, None]] = {}
    for clip in clips:
        used.setdefault(clip["medium"], {})[clip["split"]] = None
    return [
        f"| {name} | {MEDIA[name].package} | {MEDIA[name].credit} | {MEDIA[name].licence} | {', '.join(splits)} |"
        for name, splits in used.items()
    ]
