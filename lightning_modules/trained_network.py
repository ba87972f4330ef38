"""The network of a checkpoint: read as plain values, and put into a network of the same architecture."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from records.errors import UserError

PREFIX = "network."
# Names of parameters told when a checkpoint does not fit.
SHOWN = 4


def read_checkpoint(path: str | Path, where: str) -> dict[str, Any]:
    """A checkpoint of a run, without unpickling code.

    Args:
        path: The file.
        where: Configuration key that names it, for messages.

    Raises:
        UserError: It is missing, or no checkpoint.
    """
    if not Path(path).is_file():
        raise UserError("no such checkpoint", where=f"{where} {path}", mend="give best.ckpt or last.ckpt of a run")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint["state_dict"]
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"not a loadable checkpoint ({reason})", where=f"{where} {path}", mend="give another file"
        ) from None
    return checkpoint


def put_network(checkpoint: dict[str, Any], network: nn.Module, where: str) -> None:
    """Load the network of a checkpoint, averaged where the run averaged its weights, into ``network``.

    Args:
        checkpoint: The checkpoint.
        network: A network of the same architecture.
        where: Where the checkpoint comes from, for messages.

    Raises:
        UserError: It holds another network; names the parameters.
    """
    found: dict[str, Tensor] = {
        name.removeprefix(PREFIX): value for name, value in checkpoint["state_dict"].items() if name.startswith(PREFIX)
    }
    wanted = network.state_dict()
    faults = [f"{name} is not there" for name in wanted if name not in found]
    faults += [f"{name} is not known" for name in found if name not in wanted]
    faults += [
        f"{name} is {tuple(found[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in found and found[name].shape != value.shape
    ]
    if faults:
        more = f", and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        told = f"holds another network: {', '.join(faults[:SHOWN])}{more}"
        raise UserError(told, where=where, mend="give both runs the same model.init_args.network")
    network.load_state_dict(found)
