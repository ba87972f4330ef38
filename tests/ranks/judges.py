"""Every loss on scores in one task, each with weights of its own, on rows that the ranks join in several ways."""

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
import torch.distributed.nn.functional
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightning_modules.base import BaseTask
from losses.combined import CombinedLoss, LossTerm
from losses.fidelity import FidelityLoss
from losses.memory_queue import MemoryQueue
from losses.mse import MSELoss
from losses.plcc import PLCCLoss
from losses.rank_hinge import RankHingeLoss
from losses.score_loss import ScoreLoss
from losses.soft_srcc import SoftSRCCLoss

COUNT, WIDTH = 16, 5
# Framework 2.3: what each way of joining the rows does to the gradient.
WAYS = ("gathered", "functional", "detached", "local")


def rows() -> tuple[Tensor, Tensor, list[int]]:
    """Features (16, 5), targets (16,) that partly follow from them, and contents of four clips each."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(COUNT, WIDTH, generator=generator, dtype=torch.float64)
    y = 3 + 0.4 * x[:, 0] + 0.3 * torch.randn(COUNT, generator=generator, dtype=torch.float64)
    # Contents lie across the ranks.
    return x, y, [place % 4 for place in range(COUNT)]


def losses() -> dict[str, ScoreLoss]:
    memory = MemoryQueue(PLCCLoss(), size=6)
    generator = torch.Generator().manual_seed(4)
    memory(torch.rand(6, generator=generator), torch.rand(6, generator=generator), [9] * 6)
    return {
        "plcc, form a": PLCCLoss("a"),
        "plcc, form b": PLCCLoss("b"),
        "soft srocc": SoftSRCCLoss(),
        "fidelity": FidelityLoss(),
        "fidelity of one content": FidelityLoss(same_content_only=True),
        "rank hinge": RankHingeLoss(),
        "plcc with a memory": memory,
        "plcc and mse": CombinedLoss({"plcc": LossTerm(PLCCLoss()), "mse": LossTerm(MSELoss(), 0.1)}),
        "mse": MSELoss(),
    }


def weights() -> Tensor:
    return torch.linspace(-0.5, 1.0, WIDTH, dtype=torch.float64)


def alone() -> dict[str, tuple[Tensor, Tensor]]:
    """Loss and gradient of one process that has all rows."""
    x, y, content = rows()
    found = {}
    for name, loss in losses().items():
        weight = weights().requires_grad_()
        value = loss(x @ weight, y, content)
        value.backward()
        found[name] = value.detach(), weight.grad
    return found


class Judges(BaseTask):
    """A weight vector for every loss and way; one training step notes loss and gradient of each."""

    def __init__(self) -> None:
        names = [f"{name}|{way}" for name in losses() for way in WAYS]
        super().__init__(nn.ParameterDict({name: nn.Parameter(weights()) for name in names}))
        self.losses = nn.ModuleDict({f"{name}|{way}": loss for way in WAYS for name, loss in losses().items()})
        self.noted: dict[str, tuple[Tensor, Tensor]] = {}

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        x, y, content = batch
        values = {}
        for name, loss in self.losses.items():
            join = self._join(name.partition("|")[2])
            values[name] = loss(join(x @ self.network[name]), join(y), join(content).tolist())
        self.values = {name: value.detach() for name, value in values.items()}
        return torch.stack(list(values.values())).sum()

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.noted = {name: (value, self.network[name].grad.clone()) for name, value in self.values.items()}

    def _join(self, way: str) -> Callable[[Tensor], Tensor]:
        if way == "gathered":
            return self.gather
        if way == "local":
            return lambda value: value
        return self._functional if way == "functional" else self._detached

    @staticmethod
    def _functional(value: Tensor) -> Tensor:
        return torch.cat(torch.distributed.nn.functional.all_gather(value))

    def _detached(self, value: Tensor) -> Tensor:
        parts = [*self.all_gather(value.detach())]
        parts[self.global_rank] = value
        return torch.cat(parts)


def step(folder: str, world: int) -> None:
    """One step on ``world`` ranks, what each noted in ``folder``."""
    x, y, content = rows()
    sets = list(zip(x, y, torch.tensor(content), strict=True))
    task = Judges()
    run = L.Trainer(
        default_root_dir=folder, accelerator="cpu", devices=world, strategy="ddp", max_steps=1, logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        use_distributed_sampler=False,
    )  # fmt: skip
    each, rank = COUNT // world, run.global_rank
    run.fit(task, DataLoader(sets[rank * each : (rank + 1) * each], batch_size=each))
    torch.save(task.noted, f"{folder}/{world}-{run.global_rank}.pt")


if __name__ == "__main__":
    import sys

    step(sys.argv[1], int(sys.argv[2]))
