"""What a branch is: one view of a batch of videos in, feature tokens out."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Branch(nn.Module, ABC):
    """A trunk that reads one view.

    A branch normalises its own input, so that views stay plain pixels whatever network reads them. Everything it is
    made of exists after the constructor, on the meta device too; weights come later, from ``load_pretrained``.

    Attributes:
        width: Features per token.
    """

    width: int

    @abstractmethod
    def forward(self, view: Tensor) -> Tensor:
        """Turn pixels into tokens.

        Args:
            view: (batch, time, 3, height, width), uint8, or float in 0..255.

        Returns:
            (batch, tokens, width) features.
        """

    def load_pretrained(self) -> str | None:
        """Load the weights that the constructor's arguments ask for; called once, when a fresh fit begins.

        Returns:
            Where they come from, or None when the branch keeps its random weights.

        Raises:
            ValueError: The weights do not fit.
            FileNotFoundError: The weights cannot be had.
        """
        return None

    def pieces(self, time: int) -> int:
        """What a branch with a ``chunk`` can take one by one: frames, where it is not said otherwise.

        Args:
            time: Frames of a view.
        """
        return time

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse a view that this branch cannot read.

        Args:
            shape: (time, 3, height, width), without the batch.

        Raises:
            ValueError: Says what does not fit.
        """
        if len(shape) != 4 or shape[1] != 3:
            raise ValueError(f"reads frames of shape (time, 3, height, width), not {shape}")
