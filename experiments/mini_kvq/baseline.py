"""What a frozen image classifier and ridge regression reach on a data set: the figure that any training should beat."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.tables import read_folds, read_label_tables
from experiments.mini_kvq.codec import decode
from records.errors import UserError
from records.labels import Label

FRAMES, SIDE = 4, 224
WEIGHTS = "package:efficientnet-lite0"
TRUNKS: dict[str, dict[str, Any]] = {
    "pretrained": {"weights": WEIGHTS, "levels": "last"},
    "all_stages": {"weights": WEIGHTS, "levels": "all"},
    "random": {"weights": None, "levels": "last"},
}
_ALPHAS = np.logspace(0, 5, 11)


def out_of_fold_ridge(root: Path, seed: int = 0) -> dict[str, Any]:
    """Predict each fold by ridge regression on the others, from features of a frozen trunk.

    Four frames of a clip, centre crop of 224 pixels, mean and deviation of feature maps over places, averaged over the
    frames. The penalty is chosen within the training folds, by content.

    Args:
        root: Data set with ``folds.csv``.
        seed: Seed of the random weights and of the bootstrap.

    Returns:
        For ``pretrained`` (the last feature map), ``all_stages`` (those of every stage, which keep blur and blocking)
        and ``random`` (the last feature map of a trunk that was never trained): ``srocc`` and ``plcc`` of the pooled
        predictions with ``srocc_interval`` and ``plcc_interval`` (95 %, drawing whole contents), and
        ``srocc_of_folds``.

    Raises:
        UserError: A table cannot be read, or the weights' package is not installed.
    """
    folds = read_folds(root / "folds.csv")
    labels = [label for label in read_label_tables(root, None) if label.id in folds and label.score is not None]
    clips = [_frames(root / label.id) for label in labels]
    fold = np.array([folds[label.id] for label in labels])
    return {name: _judge(_features(clips, seed, **trunk), labels, fold, seed) for name, trunk in TRUNKS.items()}


def _frames(path: Path) -> np.ndarray:
    shown = list(decode(path))
    taken = [shown[int((place + 0.5) * len(shown) / FRAMES)] for place in range(FRAMES)]
    height, width = taken[0].shape[:2]
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    return np.stack(taken)[:, top : top + SIDE, left : left + SIDE].transpose(0, 3, 1, 2)


def _features(clips: Sequence[np.ndarray], seed: int, weights: str | None, levels: Any) -> np.ndarray:
    import torch

    from models.vqa.timm_frames import TimmFrames

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = TimmFrames(name="tf_efficientnet_lite0", weights=weights, pool="avg_std", levels=levels).eval()
    try:
        trunk.load_pretrained()
    except OSError as error:
        raise UserError(str(error), where="--baseline", mend="leave it out, or install what is missing") from None
    with torch.inference_mode():
        return np.stack([trunk(torch.from_numpy(clip)[None])[0].mean(0).numpy() for clip in clips])


def _judge(features: np.ndarray, labels: Sequence[Label], fold: np.ndarray, seed: int) -> dict[str, Any]:
    from scipy.stats import spearmanr

    from metrics.bootstrap import ContentBootstrap, interval

    target = np.array([label.score for label in labels], np.float64)
    content = np.array([label.content for label in labels])
    prediction = np.empty_like(target)
    for held in np.unique(fold):
        inside = fold != held
        prediction[~inside] = _ridge(features[inside], target[inside], content[inside]).predict(features[~inside])
    bootstrap = ContentBootstrap(target, list(content), seed=seed)
    whole, draws = bootstrap.whole(prediction), bootstrap.scores(prediction)
    result: dict[str, Any] = {}
    for name in ("srocc", "plcc"):
        result[name] = round(whole[name], 3)
        result[f"{name}_interval"] = [round(end, 3) for end in interval(draws[name]) or ()]
    of_folds = [spearmanr(prediction[fold == held], target[fold == held])[0] for held in np.unique(fold)]
    result["srocc_of_folds"] = [round(float(value), 3) for value in of_folds]
    return result


def _ridge(features: np.ndarray, target: np.ndarray, content: np.ndarray) -> Any:
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    parts = GroupKFold(min(5, len(np.unique(content)))).split(features, target, content)
    return make_pipeline(StandardScaler(), RidgeCV(_ALPHAS, cv=list(parts))).fit(features, target)
