"""What a branch is: one view in, tokens out."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Branch(nn.Module, ABC):
    """Reads one view and gives tokens of one width.

    Attributes:
        width: Numbers in one token.
    """

    width: int

    @abstractmethod
    def forward(self, view: Tensor) -> Tensor:
        """Encode a batch of one view.

        Args:
            view: (batch, time, 3, height, width), values 0..255, uint8 or float.

        Returns:
            Tokens (batch, tokens, width), float.
        """

    def load_pretrained(self) -> None:
        """Load the weights that the constructor's arguments ask for; called once, when a fresh fit begins.

        Raises:
            ValueError: The weights do not fit.
            OSError: The weights cannot be had.
        """

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError when a view of ``shape`` (time, 3, height, width) cannot be read."""
        if len(shape) != 4 or shape[1] != 3:
            raise ValueError(f"reads (time, 3, height, width) and is given {shape}")
