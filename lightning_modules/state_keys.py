"""Whether the weights of a checkpoint are those of a module, told by their names and shapes."""

from collections.abc import Mapping

from torch import Tensor

from records.errors import UserError

# Names of one kind that an error lists; another network differs in hundreds.
SHOWN = 8


def refuse_keys(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights of which some are missing, unknown or of another shape.

    Args:
        wanted: State of the module.
        found: State of the checkpoint.
        where: Where it comes from, for the message.

    Raises:
        UserError: Counts and lists them.
    """
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted]
    other = [
        f"{name} is {tuple(found[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in found and found[name].shape != value.shape
    ]
    kinds = {"missing": missing, "unknown": unknown, "of another shape": other}
    faults = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in kinds.items() if names]
    if faults:
        mend = "give the model.init_args that it was trained with"
        raise UserError(f"holds other weights, {'; '.join(faults)}", where=where, mend=mend)


def _listed(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
