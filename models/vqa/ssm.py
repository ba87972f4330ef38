"""Linear recurrence with one decay per head, computed in chunks: the scan of state-space duality (Mamba-2)."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def ssd_scan(values: Tensor, log_decay: Tensor, write: Tensor, read: Tensor, chunk: int = 64) -> Tensor:
    """Run a state along a sequence and read it out at every step.

    Each head keeps a (state, width) matrix, ``S[t] = exp(log_decay[t]) S[t-1] + write[t] values[t]^T`` from zero, and
    gives ``read[t] S[t]``. Within a chunk that is a masked matrix product, and chunks are joined through their final
    states by another, so that there is no loop and counters of matrix products see the cost: ``chunk (state +
    heads width) + 2 heads width state`` multiply-accumulates a step, and ``heads width state`` for every pair of
    chunks. Half of the products within a chunk meet the mask and are computed all the same. The sums of logarithms
    are additions alone, which reports list as ``aten.cumsum`` without a formula.

    Args:
        values: (batch, length, heads, width), what is written.
        log_decay: (batch, length, heads), at most 0: the logarithm of what each step leaves of the state before it.
        write: (batch, length, state), where it is written; shared by the heads.
        read: (batch, length, state), what is read; shared by the heads.
        chunk: Steps in a chunk; changes speed and memory, never the result.

    Returns:
        (batch, length, heads, width).
    """
    length = values.shape[1]
    chunk = min(chunk, length)
    values, log_decay, write, read = (_chunks(each, chunk) for each in (values, log_decay, write, read))
    until = log_decay.cumsum(dim=2)  # from before the chunk up to and with each step
    total = until[:, :, -1].cumsum(dim=1)  # from before the sequence up to the end of each chunk

    matches = torch.einsum("bktn,bksn->bkts", read, write)
    weights = matches[..., None] * _decay(until, until, later=1)
    inside = torch.einsum("bktsh,bkshp->bkthp", weights, values)

    left = (until[:, :, -1:] - until).exp()[..., None]
    finals = torch.einsum("bksn,bkshp->bkhnp", write, values * left)
    # The state that enters a chunk is what is left of every earlier chunk's own.
    entering = torch.einsum("bkjh,bjhnp->bkhnp", _decay(total - until[:, :, -1], total, later=0), finals)
    outside = torch.einsum("bktn,bkhnp->bkthp", read, entering) * until.exp()[..., None]
    return (inside + outside).flatten(1, 2)[:, :length]


def _chunks(sequence: Tensor, chunk: int) -> Tensor:
    """(batch, length, ...) as (batch, chunks, chunk, ...); zeros at the end write nothing and decay nothing."""
    short = -sequence.shape[1] % chunk
    return pad(sequence, (0, 0) * (sequence.ndim - 2) + (0, short)).unflatten(1, (-1, chunk))


def _decay(until: Tensor, since: Tensor, later: int) -> Tensor:
    """Decay between two instants, (..., steps, steps, heads), and zero for those that are not in order.

    Args:
        until: (..., steps, heads), logarithm of the decay up to the later instant.
        since: (..., steps, heads), up to the earlier one.
        later: First diagonal that is out of order: 0 leaves out a step itself, 1 keeps it.
    """
    steps = until.shape[-2]
    future = torch.ones(steps, steps, dtype=torch.bool, device=until.device).triu(later)
    # Masked before the exponential, which overflows there, and zero times infinity has no gradient.
    return (until.unsqueeze(-2) - since.unsqueeze(-3)).masked_fill(future[..., None], -torch.inf).exp()
