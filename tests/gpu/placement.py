"""Where everything of a run lies: parameters, buffers, batches, and what a training step copies over."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Copies(TorchDispatchMode):
    """Notes the shapes of tensors that operators take from one kind of device to another."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        if len({tensor.device.type for tensor in (*given, *made)}) > 1:
            self.shapes += [tuple(tensor.shape) for tensor in given if tensor.device.type == "cpu"]
        return out

    def constants(self, batch: int) -> list[tuple[int, ...]]:
        """Those that are no draw for each sample of a batch, nor a single number."""
        return [shape for shape in self.shapes if shape and torch.Size(shape).numel() > 1 and shape[0] != batch]


def elsewhere(module: nn.Module, device: torch.device) -> list[str]:
    """Parameters, buffers and plain tensors of a module that are not on a device."""
    named = [*module.named_parameters(), *module.named_buffers()]
    for path, part in module.named_modules():
        named += [(f"{path}.{name}", value) for name, value in vars(part).items() if isinstance(value, Tensor)]
    return [name for name, value in named if value.device != device]


class Placement(L.Callback):
    """Ends the run where something lies on another device, and writes one line a command on what it saw.

    Args:
        file: File that the lines are appended to.
    """

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self.steps, self.constants = 0, set[tuple[int, ...]]()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        own: Any = pl_module.training_step

        def watched(batch: Any, *rest: Any) -> Any:
            with Copies() as copies:
                loss = own(batch, *rest)
            self.constants |= set(copies.constants(len(batch["id"])))
            return loss

        pl_module.training_step = watched  # type: ignore[method-assign]

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._look(trainer, pl_module, batch)

    def on_predict_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._look(trainer, pl_module, batch)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._write(trainer)

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._write(trainer)

    def _look(self, trainer: L.Trainer, module: L.LightningModule, batch: Any) -> None:
        self.steps += 1
        device = trainer.strategy.root_device
        wrong = [
            *elsewhere(module, device),
            *(name for name, value in _tensors(batch, "batch") if value.device != device),
        ]
        assert not wrong, f"not on {device}: {wrong[:9]}"

    def _write(self, trainer: L.Trainer) -> None:
        spread = torch.distributed.is_available() and torch.distributed.is_initialized()
        seen = {
            "command": trainer.state.fn,
            "device": trainer.strategy.root_device.type,
            "precision": trainer.precision,
            "backend": torch.distributed.get_backend() if spread else None,
            "steps": self.steps,
            "constants": sorted(self.constants),
        }
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(seen) + "\n")


def _tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _tensors(item, f"{name}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, item in enumerate(value):
            yield from _tensors(item, f"{name}[{place}]")
