"""Where a loss leaves mixed precision."""

import torch
from torch import Tensor


def full_precision(tensor: Tensor) -> torch.autocast:
    """Context without autocast on the device of ``tensor``; the caller casts its inputs itself."""
    # There is no autocast on the meta device, on which memory is estimated.
    kind = tensor.device.type
    return torch.autocast("cpu" if kind == "meta" else kind, enabled=False)
