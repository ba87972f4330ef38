"""A memory of recent scores, so that a correlation on a small batch is one over many clips."""

import hashlib

import torch
from torch import Tensor

from losses.score_loss import Contents, ScoreLoss, as_scores


class MemoryQueue(ScoreLoss):
    """Another loss on the batch joined to the last predictions and targets, which carry no gradient.

    The correlation of 6 clips is off by 0.14 (sd, at a true 0.9), that of 64 by 0.02; the memory lends a batch that
    steadiness at no cost. It is for correlation and pair losses: a mean over rows, such as the squared error, would
    only be diluted. Calls outside of training neither use nor change the memory.

    Args:
        loss: The loss.
        size: Scores remembered.

    >>> from losses.plcc import PLCCLoss
    >>> loss, scores = MemoryQueue(PLCCLoss(), size=3), torch.tensor([1.0, 2.0, 3.0])
    >>> loss(-scores, scores), loss(scores[:1], scores[:1])
    (tensor(0.), tensor(0.4978))
    """

    predictions: Tensor
    targets: Tensor
    contents: Tensor
    filled: Tensor

    def __init__(self, loss: ScoreLoss, size: int = 64) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        self.loss = loss
        # Buffers, so that a resumed run goes on with the memory it had. The newest score stands last.
        self.register_buffer("predictions", torch.zeros(size))
        self.register_buffer("targets", torch.zeros(size))
        self.register_buffer("contents", torch.zeros(size, dtype=torch.long))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    def forward(self, prediction: Tensor, target: Tensor, content: Contents = None) -> Tensor:
        """The loss over batch and memory, a () tensor; in training mode the batch is then remembered."""
        p, y = as_scores(prediction, target)
        if not self.training:
            return self.loss(p, y, content)
        codes = None if content is None else content_codes(content, p.device)
        value = self.loss(*self._joined(p, y, codes))
        self._remember(p.detach(), y.detach(), codes)
        return value

    def usable(self, target: Tensor, content: Contents = None) -> Tensor:
        """Whether batch and memory together say enough, a () bool tensor; to be asked before the loss is."""
        if not self.training:
            return self.loss.usable(target, content)
        codes = None if content is None else content_codes(content, target.device)
        _, joined, codes = self._joined(target.reshape(-1), target.reshape(-1), codes)
        return self.loss.usable(joined, codes)

    def _joined(self, p: Tensor, y: Tensor, codes: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        start = len(self.targets) - int(self.filled)
        joined = None if codes is None else torch.cat([self.contents[start:], codes])
        return torch.cat([self.predictions[start:].to(p), p]), torch.cat([self.targets[start:].to(y), y]), joined

    def _remember(self, p: Tensor, y: Tensor, codes: Tensor | None) -> None:
        size = len(self.targets)
        rows = (
            (self.predictions, p),
            (self.targets, y),
            (self.contents, torch.zeros_like(y) if codes is None else codes),
        )
        for memory, new in rows:
            # A new tensor in between: source and target overlap.
            memory.copy_(torch.cat([memory, new.to(memory)])[-size:])
        self.filled.add_(len(p)).clamp_(max=size)


def content_codes(content: Contents, device: torch.device) -> Tensor:
    """Contents as (n,) int64 codes that mean the same in every batch: names are hashed, numbers stay.

    Args:
        content: n names or codes.
        device: Where the codes are wanted.
    """
    if isinstance(content, Tensor):
        return content.to(device, torch.long)
    codes = [
        code
        if isinstance(code, int)
        else int.from_bytes(hashlib.blake2b(code.encode(), digest_size=8).digest(), "big") >> 1
        for code in content or ()
    ]
    return torch.tensor(codes, dtype=torch.long, device=device)
