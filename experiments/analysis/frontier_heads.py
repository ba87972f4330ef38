"""Train the head of a design on stored tokens, once for each fold and seed, all of them side by side in one process.

A run of `train.py` for each would spend eight seconds of processor time on its start and one on its head.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from records.errors import UserError

if TYPE_CHECKING:
    import torch

    from losses.score_loss import ScoreLoss
    from models.vqa.heads import Head

STEPS, BATCH = 150, 28
# Tokens of a clip that one step reads; heads average over tokens, so a share of them stands for all.
TOKENS = 8


@dataclass(frozen=True)
class Clips:
    """Labelled clips.

    Args:
        ids: Their ids.
        targets: (clips,) labels.
        contents: What each shows.
        folds: (clips,) fold in which each is held out.
    """

    ids: list[str]
    targets: np.ndarray
    contents: list[str]
    folds: np.ndarray

    @property
    def size(self) -> str:
        """How many they are, in words."""
        return f"{len(self.ids)} clips of {len(set(self.contents))} contents, {len(np.unique(self.folds))} folds"


def read_model(path: Path, needed: Sequence[str], option: str) -> dict[str, Any]:
    """Options of the model in an experiment file, with the layers below it.

    Args:
        path: The file.
        needed: Options that it must have.
        option: Where it was named, for messages.

    Raises:
        UserError: It is not there, or has them not.
    """
    from runtime.layers import layers, read_config
    from runtime.named_parts import completed, merged

    config: dict[str, Any] = {}
    for layer in layers(path):
        config = merged(config, completed(read_config(layer), config))
    options = (config.get("model") or {}).get("init_args") or {}
    if lacking := [name for name in needed if not isinstance(options.get(name), dict)]:
        what = f"names no model.init_args.{', '.join(lacking)}"
        raise UserError(what, where=f"{option} {path}", mend="see how configs/study/frontier.yaml names its files")
    return options


def read_clips(root: Path, folds: int = 5) -> Clips:
    """Every labelled clip of a data set with its fold.

    Raises:
        UserError: A table cannot be read.
    """
    from datamodules.label_set import LabelSet

    found = [(label, fold) for fold in range(folds) for label in LabelSet(root, fold=fold, folds=folds).labels("val")]
    found = sorted([(label, fold) for label, fold in found if label.score is not None], key=lambda pair: pair[0].id)
    labels = [label for label, _ in found]
    targets, chosen = np.array([label.score for label in labels]), np.array([fold for _, fold in found])
    return Clips([label.id for label in labels], targets, [label.content for label in labels], chosen)


def out_of_fold(
    head: "Head", tokens: np.ndarray, clips: Clips, seeds: Sequence[int], student: Mapping[str, Any]
) -> np.ndarray:
    """Predict every clip by heads that were trained without its fold.

    Args:
        head: What is trained; its weights do not matter, it may be on the meta device.
        tokens: (clips, tokens, width).
        clips: Labels and folds.
        seeds: One result each.
        student: Configuration of the student: its loss, optimiser, schedule and ``head_lr`` are those of the heads.

    Returns:
        (seeds, clips) predictions in label units.
    """
    import torch

    rows, target = torch.from_numpy(tokens).float(), torch.from_numpy(clips.targets).float()
    folds = np.unique(clips.folds)
    parts = [np.flatnonzero(clips.folds != fold) for _ in seeds for fold in folds]
    with torch.random.fork_rng(devices=[]):
        # As runs do, heads of one seed begin alike whatever the fold.
        heads = [
            _fresh(head, tokens.shape[-1], target[part], seeds[place // len(folds)]) for place, part in enumerate(parts)
        ]
        _train(heads, rows, target, parts, clips.contents, student)
    said = np.empty((len(seeds), len(target)))
    with torch.inference_mode():
        for place, trained in enumerate(heads):
            held = np.flatnonzero(clips.folds == folds[place % len(folds)])
            said[place // len(folds), held] = trained.eval().forward(rows[held]).numpy()
    return said


def _fresh(head: "Head", width: int, target: "torch.Tensor", seed: int) -> "Head":
    import torch

    made = copy.deepcopy(head).to_empty(device="cpu").train()
    torch.manual_seed(seed)
    made.build(width)
    made.set_label_scale(float(target.mean()), float(target.std(correction=0)))
    return made


def _train(
    heads: Sequence["Head"],
    rows: "torch.Tensor",
    target: "torch.Tensor",
    parts: Sequence[np.ndarray],
    contents: Sequence[str],
    student: Mapping[str, Any],
) -> None:
    """Train the heads, each on its part of the clips; stacked, since the step of one is hardly worth its call."""
    import torch
    from torch.func import functional_call, stack_module_state, vmap

    loss, optimizer, schedule, rate = _rule(student)
    weights, scales = stack_module_state(list(heads))
    template = copy.deepcopy(heads[0]).to("meta")

    def scored(own: Any, scale: Any, seen: "torch.Tensor") -> "torch.Tensor":
        return functional_call(template, (own, scale), (seen,))

    options = {**optimizer["init_args"], "lr": rate}
    steps = getattr(torch.optim, optimizer["class_path"].rpartition(".")[2])(list(weights.values()), **options)
    decay = torch.optim.lr_scheduler.LambdaLR(steps, lambda step: schedule.factor(step, STEPS) if schedule else 1.0)
    draws = np.random.default_rng(0)
    for _ in range(STEPS):
        chosen = np.stack([draws.choice(part, min(BATCH, len(part)), replace=False) for part in parts])
        seen = rows[chosen]
        if seen.shape[2] > TOKENS:
            seen = seen[:, :, draws.choice(seen.shape[2], TOKENS, replace=False)]
        said = vmap(scored, randomness="different")(weights, scales, seen)
        losses = [loss(said[place], target[batch], [contents[clip] for clip in batch])
                  for place, batch in enumerate(chosen)]  # fmt: skip
        steps.zero_grad()
        torch.stack(losses).sum().backward()
        steps.step()
        decay.step()
    for place, head in enumerate(heads):
        head.load_state_dict({name: value[place].detach() for name, value in {**weights, **scales}.items()})


def _rule(student: Mapping[str, Any]) -> tuple["ScoreLoss", Mapping[str, Any], Any, float]:
    """Loss, optimiser, schedule and learning rate of a student's head."""
    from jsonargparse import ArgumentParser

    from lightning_modules.base import CosineSchedule
    from losses.score_loss import ScoreLoss

    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(ScoreLoss, "loss")
    loss = parser.instantiate(parser.parse_object({"loss": student["loss"]})).loss
    schedule = student.get("schedule")
    made = CosineSchedule(**schedule.get("init_args", {})) if schedule else None
    optimizer = student["optimizer"]
    return loss, optimizer, made, float(optimizer["init_args"]["lr"]) * float(student.get("head_lr", 1.0))
