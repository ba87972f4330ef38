"""The label: VMAF-NEG of a clip against its untouched master, mapped to the scale of opinion scores."""

import importlib.util
import json
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments.mini_kvq.camera import FPS
from experiments.mini_kvq.codec import decode, luma
from experiments.mini_kvq.sources import INSTALL
from records.errors import UserError

# Frames that are measured: every 4th of a clip of 4 s. Longer clips have as many, further apart. VMAF's motion term
# stays that of neighbouring frames: it is taken from the whole master.
MEASURED = 12
# One line for every content: anything else would put into the label what no pixel shows. It gives the labels about the
# mean and the deviation of KVQ's.
OFFSET, SLOPE = 1.9, 0.026
FORMULA = f"{OFFSET} + {SLOPE} * NEG"
Labeller = Literal["vmaf-torch", "ffmpeg"]


def score_of(neg: float) -> float:
    """Score on the scale 1..5: ``1.9 + 0.026 * neg``, rounded to 0.01; the same for every content.

    Args:
        neg: Temporal mean of VMAF-NEG, 0..100.
    """
    return round(min(5.0, max(1.0, OFFSET + SLOPE * neg)), 2)


def step_of(frames: int) -> int:
    """Every how many frames of a clip one is measured: 4, or as many as leave 12 measured frames."""
    return max(4, frames // MEASURED)


def choose_labeller() -> Labeller:
    """``ffmpeg`` where imageio-ffmpeg is installed, which is about 30 times faster, else ``vmaf-torch``.

    Raises:
        UserError: Neither is installed.
    """
    if importlib.util.find_spec("imageio_ffmpeg"):
        return "ffmpeg"
    if importlib.util.find_spec("vmaf_torch"):
        return "vmaf-torch"
    raise UserError("package vmaf-torch is not installed", where="prepare", mend=INSTALL)


@dataclass(frozen=True)
class Master:
    """What versions are measured against.

    Args:
        luma: As an encoder sees it, uint8 (time, height, width), limited range.
        motion: VMAF's motion term of every frame, float32 (time, 1); None where the labeller finds it itself.
    """

    luma: np.ndarray
    motion: Any = None


def make_master(frames: Iterable[np.ndarray], labeller: Labeller) -> Master:
    """Prepare the frames of a master once for all versions.

    Args:
        frames: uint8 RGB (height, width, 3).
        labeller: What will measure.
    """
    import av

    converted = (av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p") for frame in frames)
    planes = np.stack([luma(frame) for frame in converted])
    if labeller == "ffmpeg":
        return Master(planes)
    import torch

    # Of all frames: between measured ones alone, four times as much would seem to move.
    with torch.inference_mode():
        return Master(planes, _vmaf().compute_motion2(_tensor(planes)))


def measure(clip: Path, master: Master, labeller: Labeller) -> list[float]:
    """VMAF-NEG (model v0.6.1) of every 4th frame, or fewer in long clips; each 0..100.

    Args:
        clip: Version to measure, as long and as large as the master.
        master: Its master.
        labeller: ``vmaf-torch``, the reference, or ``ffmpeg``, which agrees with it to about 0.02.
    """
    if labeller == "ffmpeg":
        return _measure_by_ffmpeg(clip, master.luma)
    shown = np.stack(list(decode(clip, "gray")))
    if shown.shape != master.luma.shape:
        raise ValueError(f"{clip}: {shown.shape} frames against {master.luma.shape} of the master")
    return _measure_by_torch(shown, master)


def _measure_by_torch(shown: np.ndarray, master: Master) -> list[float]:
    import torch

    vmaf = _vmaf()
    scores = []
    with torch.inference_mode():
        for index in range(0, len(shown), step_of(len(shown))):
            # One frame at a time: a batch of 12 costs 3.5 times as much a frame.
            one = slice(index, index + 1)
            pair = _tensor(master.luma[one]), _tensor(shown[one])
            scores.append(
                vmaf.predict(vmaf.compute_adm_score(*pair), master.motion[one], vmaf.compute_vif_features(*pair))
            )
    return [round(float(score), 3) for score in scores]


@cache
def _vmaf() -> Any:
    import torch
    from vmaf_torch import VMAF

    torch.set_num_threads(1)
    return VMAF(NEG=True, clip_score=True)


def _tensor(planes: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(planes.astype(np.float32))[:, None]


def _measure_by_ffmpeg(clip: Path, master: np.ndarray) -> list[float]:
    from imageio_ffmpeg import get_ffmpeg_exe

    height, width = master.shape[1:]
    # Neutral chroma: handed luma alone, libvmaf's scores are up to 2 points off.
    planes = np.concatenate([master, np.full((len(master), height // 2, width), 128, np.uint8)], axis=1)
    form = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}"]
    inputs = ["-r", str(FPS), "-i", str(clip.resolve()), *form, "-r", str(FPS), "-i", "-"]
    vmaf = f"libvmaf=model=version=vmaf_v0.6.1neg:n_subsample={step_of(len(master))}:log_fmt=json:log_path=scores.json"
    with tempfile.TemporaryDirectory() as folder:
        command = [get_ffmpeg_exe(), "-v", "error", *inputs, "-lavfi", f"[0:v][1:v]{vmaf}", "-f", "null", "-"]
        done = subprocess.run(command, input=planes.tobytes(), cwd=folder, capture_output=True)
        if done.returncode:
            raise RuntimeError(f"{clip}: ffmpeg ended with {done.stderr.decode(errors='replace')[-300:]}")
        log = json.loads((Path(folder) / "scores.json").read_text())
    return [round(frame["metrics"]["vmaf"], 3) for frame in log["frames"] if "vmaf" in frame["metrics"]]
