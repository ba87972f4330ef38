"""What the branches with a 3-D trunk share: cutting a view into clips, normalising, bounding memory."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from models.vqa.branch import Branch

SMALLEST = 32  # pixels; every trunk here halves its maps five times


class ClipBranch(Branch):
    """A trunk that reads clips; a view holds one clip, or several one after the other.

    Args:
        mean: Mean of the trunk's training pixels, 0..255, one value or one for each colour.
        sd: Their standard deviation.
        chunk: Clips in one pass of the trunk in evaluation, which bounds its memory; null for all at once.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, mean: Sequence[float], sd: Sequence[float], chunk: int | None = None) -> None:
        super().__init__()
        if chunk is not None and chunk < 1:
            raise ValueError(f"chunk must be at least 1 clip, not {chunk}")
        self.chunk = chunk
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1, 1), persistent=False)
        self.register_buffer("sd", torch.tensor(sd).view(-1, 1, 1, 1), persistent=False)

    @abstractmethod
    def tokens(self, clips: Tensor) -> Tensor:
        """Turn clips into tokens.

        Args:
            clips: (clips, 3, time, height, width), normalised.

        Returns:
            (clips, tokens of a clip, width) features.
        """

    def clips_of(self, time: int) -> int:
        """Number of clips in a view of ``time`` frames."""
        return 1

    def pieces(self, time: int) -> int:
        """Its clips; see the base class."""
        return self.clips_of(time)

    def forward(self, view: Tensor) -> Tensor:
        """The tokens of all clips, clip after clip; see the base class.

        Args:
            view: (batch, time, 3, height, width), uint8, or float in 0..255.

        Returns:
            (batch, clips * tokens of a clip, width) features.
        """
        clips = view.unflatten(1, (self.clips_of(view.shape[1]), -1)).flatten(0, 1).transpose(1, 2)
        # Batch statistics of a training step must not depend on the chunks.
        chunks = clips.split(self.chunk) if self.chunk and not self.training else (clips,)
        tokens = torch.cat([self.tokens((each - self.mean) / self.sd) for each in chunks])
        return tokens.unflatten(0, (len(view), -1)).flatten(1, 2)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse frames that shrink to nothing within the trunk; see the base class."""
        super().check(shape)
        if min(shape[2:]) < SMALLEST:
            made = "x".join(map(str, shape[2:]))
            raise ValueError(f"reads frames of at least {SMALLEST}x{SMALLEST} pixels and its view makes {made}")
