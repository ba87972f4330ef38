"""Learning rate of the tiny base: a short warm-up, then half a cosine."""

import math

import torch


def cosine(optimizer: torch.optim.Optimizer, steps: int, warm: int = 100) -> torch.optim.lr_scheduler.LambdaLR:
    """Rise over ``warm`` steps, then fall to nothing at ``steps``."""

    def share(step: int) -> float:
        return min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, steps)))))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, share)
