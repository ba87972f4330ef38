"""Checkpoints that hold what a fit trains and leave out the frozen base it stands on."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from lightning_modules.sr_task import SRTask
from records.errors import UserError

# Top-level key of a checkpoint: stage, adapters, base and prompts, as plain values.
KEY = "adapters"


class AdapterTask(SRTask):
    """A super-resolution task on a base that never changes and need not be stored.

    The state of the module is the kept part alone, wherever it is asked for: in checkpoints, in averaged weights, and
    in loading, which stays strict about what is kept. Arguments are those of :class:`SRTask`.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.register_load_state_dict_post_hook(_forgive)

    def keeps(self, name: str) -> bool:
        """Whether the tensor ``name`` of the module's state belongs into a checkpoint."""
        return True

    def made_of(self) -> dict[str, Any]:
        """What two fits must share for the weights of one to mean something in the other, as plain values."""
        return {}

    def notes(self) -> dict[str, Any]:
        """What else a checkpoint should say of its weights, as plain values."""
        return {}

    def constant_tensors(self) -> Iterator[Tensor]:
        """Tensors that no step changes, so that averaging need not copy them."""
        for part in (self.named_parameters(), self.named_buffers()):
            yield from (value for name, value in part if not self.keeps(name))

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """The kept part of the state, names as in the whole."""
        state = super().state_dict(*args, destination=destination, prefix=prefix, keep_vars=keep_vars)
        for name in list(state):
            if name.startswith(prefix) and not self.keeps(name.removeprefix(prefix)):
                del state[name]
        return state

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say what the weights belong to."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[KEY] = {**self.notes(), **self.made_of()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of something else before a tensor of it is used.

        Raises:
            UserError: It belongs to another stage, base or rank, or tensors are missing or too many; names them.
        """
        refuse_other(self.made_of(), checkpoint, self.origin)
        super().on_load_checkpoint(checkpoint)


def refuse_other(mine: Mapping[str, Any], checkpoint: Mapping[str, Any], where: str) -> None:
    """Refuse a checkpoint whose weights belong to something else.

    Args:
        mine: What the module is made of.
        checkpoint: The checkpoint.
        where: Where it comes from, for the message.

    Raises:
        UserError: A value differs; names it with both.
    """
    theirs = checkpoint.get(KEY)
    if not isinstance(theirs, dict):
        raise UserError("no checkpoint of such a model", where=where, mend="give one that a fit of this kind wrote")
    for name, value in mine.items():
        # A fact that is not there belongs to a time when it was not kept.
        if name in theirs and value != theirs[name]:
            mend = "give both fits the same model.init_args.network"
            if name == "stage":
                mend = "stage pixel comes first, and stage semantic begins with it by model.init_args.init_from"
            raise UserError(f"its {name} is {theirs.get(name)!r}, not {value!r}", where=where, mend=mend)


def _forgive(module: nn.Module, incompatible: Any) -> None:
    """Let a strict load pass over the base, which no checkpoint holds; everything kept stays wanted."""
    assert isinstance(module, AdapterTask)
    # Inside an averaged model all names begin with "module.".
    missing = incompatible.missing_keys
    missing[:] = [name for name in missing if module.keeps(name.removeprefix("module."))]
