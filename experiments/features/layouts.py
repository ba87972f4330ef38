"""What the features of each importable expert look like on disk."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """Shape of an expert's features of one video, and how its frames are filed.

    Args:
        tokens: Rows of a video, one a frame; 1 for one a video; None for any number, which is averaged.
        widths: Features a row may have.
        frame: Name of the file of frame ``{}`` where a video is a folder; empty where it always is one file.
    """

    tokens: int | None
    widths: tuple[int, ...]
    frame: str = ""


# Shapes as published: DeQA-Score and Q-Align give 4096 hidden values or the probabilities of five levels; HVS-5M fuses
# 8192 spatial and 512 temporal features a frame. File names are those that RQ-VQA's extractors write.
LAYOUTS = {
    "deqa": Layout(8, (4096, 5), "{:03d}.npy"),
    "q_align": Layout(8, (4096, 5), "{:03d}.npy"),
    "hvs_5m": Layout(None, (8704,)),
    "slowfast": Layout(8, (256,), "feature_{}_fast_feature.npy"),
    "liqe": Layout(8, (495,), "feature_{}_LIQE_feature.npy"),
    "fast_vqa": Layout(1, (768,)),
}
