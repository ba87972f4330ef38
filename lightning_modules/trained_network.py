"""The network of a checkpoint, put into a network of the same architecture."""

from typing import Any

from torch import Tensor, nn

from lightning_modules.frozen_parts import complete
from lightning_modules.state_keys import refuse_keys

PREFIX = "network."


def put_network(checkpoint: dict[str, Any], network: nn.Module, where: str) -> None:
    """Load the network of a checkpoint, averaged where the run averaged its weights, into ``network``.

    Args:
        checkpoint: The checkpoint.
        network: A network of the same architecture.
        where: Where the checkpoint comes from, for messages.

    Raises:
        UserError: It holds another network; names the parameters.
    """
    complete(checkpoint, network, where)
    found: dict[str, Tensor] = {
        name.removeprefix(PREFIX): value for name, value in checkpoint["state_dict"].items() if name.startswith(PREFIX)
    }
    refuse_keys(network.state_dict(), found, where)
    network.load_state_dict(found)
