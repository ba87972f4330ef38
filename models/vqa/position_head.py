"""FAST-VQA's head: a score for every position, averaged."""

from torch import Tensor, nn

from models.vqa.heads import FullPrecisionLinear, Head


class PositionHead(Head):
    """Dropout, Linear, GELU, Dropout and Linear on each token, then the mean of the tokens' scores.

    Where the tokens are the positions of a feature map, this is FAST-VQA's head of 1x1x1 convolutions. It has no norm,
    since the trunk ends in one.

    Args:
        hidden: Width of the hidden layer.
        dropout: Probability of dropping a feature in training, 0..1.
    """

    def __init__(self, hidden: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"hidden must be at least 1, not {hidden}")
        self.width, self.dropout = hidden, dropout

    def build(self, width: int) -> None:
        """Make the layers; see the base class."""
        self.hidden = nn.Sequential(
            nn.Dropout(self.dropout), nn.Linear(width, self.width), nn.GELU(), nn.Dropout(self.dropout)
        )
        self.score = FullPrecisionLinear(self.width)

    def standardised(self, tokens: Tensor) -> Tensor:
        """Score each token, average; see the base class."""
        return self.score(self.hidden(tokens)).mean(dim=1)
