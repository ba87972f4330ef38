"""A DataLoader that starts late and tells a worker's complaint in one sentence."""

import os
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from records.errors import UserError


class Fault:
    """A user error found in a worker, on its way to the main process.

    Raised in a worker it would arrive as a page of traceback.

    Args:
        error: The error.
    """

    def __init__(self, error: UserError) -> None:
        self.parts = (error.what, error.where, error.mend)

    def error(self) -> UserError:
        """The error, to be raised."""
        what, where, mend = self.parts
        return UserError(what, where=where, mend=mend)


class LateLoader(DataLoader):
    """A DataLoader that asks its sampler for an order only when the first batch is wanted.

    Lightning makes the iterator of a resumed fit before it restores its own progress, and workers would have begun
    to read the wrong clips by then.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, Fault):
                raise batch.error()
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the order is a function of the trainer's progress. Having it says the loader can resume."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


def begin_worker(worker: int) -> None:
    """Set up one worker process: one thread, and out of the group that Ctrl-C, ``timeout`` and ``kill`` address.

    A worker killed with its parent makes the parent fail instead of saving and leaving in good order.
    """
    torch.set_num_threads(1)
    if hasattr(os, "setpgrp"):
        os.setpgrp()
