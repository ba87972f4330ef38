"""What a frozen expert is: one view in, rows of features out, neither fusion nor head."""

from torch import Tensor, nn

from models.vqa.branch import Branch


class Expert(nn.Module):
    """A branch whose tokens are kept as the rows of a video.

    Args:
        view: Name of the view that the branch reads.
        branch: The network.
        rows: Rows to keep of a video: the branch's tokens are averaged in so many equal runs, which makes one row a
            frame of several crops, or with 1 one row a video. Null keeps every token.
    """

    def __init__(self, view: str, branch: Branch, rows: int | None = None) -> None:
        super().__init__()
        if rows is not None and rows < 1:
            raise ValueError(f"rows must be at least 1, not {rows}")
        self.view, self.rows, self.width = view, rows, branch.width
        # Under the name that the efficiency counter looks for.
        self.branches = nn.ModuleDict({view: branch})

    def forward(self, views: dict[str, Tensor]) -> Tensor:
        """Make rows.

        Args:
            views: View to (batch, time, 3, height, width), uint8, or float in 0..255.

        Returns:
            (batch, rows, width) features, float32.
        """
        tokens = self.branches[self.view](views[self.view]).float()
        if self.rows is None:
            return tokens
        if tokens.shape[1] % self.rows:
            raise ValueError(f"{tokens.shape[1]} tokens cannot be averaged to {self.rows} rows; set rows to a divisor")
        return tokens.unflatten(1, (self.rows, -1)).mean(dim=2)

    def check(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Refuse views that do not belong to this expert.

        Args:
            shapes: View to its promised shape, without the batch.

        Raises:
            ValueError: Says what does not fit.
        """
        if set(shapes) != {self.view}:
            raise ValueError(f"the expert reads the view {self.view!r} and the data has {', '.join(shapes)}")
        try:
            self._branch.check(tuple(shapes[self.view]))
        except ValueError as error:
            raise ValueError(f"branch {self.view!r} {error}") from None

    def load_pretrained(self) -> str | None:
        """Load the weights that the branch asks for.

        Returns:
            Where they come from, or None when they stay random.
        """
        return self._branch.load_pretrained()

    @property
    def _branch(self) -> Branch:
        branch = self.branches[self.view]
        assert isinstance(branch, Branch)
        return branch
