"""Candidates of a tiny KwaiSR without a model: enlarged by repetition, and the same with noise."""

from pathlib import Path

import numpy as np

from records.candidates import KINDS, Candidate, CandidateSet
from records.images import read_image, write_image


def write_stored_candidates(out: Path, truth: Path, maker: str, seen: set[str] | None = None) -> Path:
    """Write the candidates of every image of a tiny KwaiSR.

    Args:
        out: Folder to fill.
        truth: Root of the tiny KwaiSR.
        maker: What stands for the checkpoint.
        seen: Ids that the maker was trained on; None where that is not known.
    """
    images = []
    for path in sorted(truth.rglob("*.png")):
        split, domain, *_ = path.relative_to(truth).parts
        if "hr" in path.parts:
            continue
        scale = 4 if domain == "synthetic" else 1
        faithful = read_image(path).repeat(scale, 0).repeat(scale, 1)
        noise = np.random.default_rng(len(maker)).integers(-20, 21, faithful.shape)
        pictures = {"psnr": faithful, "per": (faithful + noise).clip(0, 255).astype(np.uint8)}
        id = path.relative_to(truth).as_posix()
        image = Candidate(id, split, domain, faithful.shape[:2], scale, None if seen is None else id in seen)
        for kind in KINDS:
            write_image(out / image.path(kind), pictures[kind])
        images.append(image)
    CandidateSet(out, {"checkpoint": maker, "settings": "s"}, {}, images).write()
    return out
