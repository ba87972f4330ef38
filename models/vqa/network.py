"""A quality network: one branch for each view, a fusion, a head."""

from torch import Tensor, nn

from models.vqa.branch import Branch
from models.vqa.fusion import Fusion
from models.vqa.heads import Head


class VQANetwork(nn.Module):
    """Branches by the names of their views, a fusion where there are several, and a head.

    Args:
        branches: View name to branch.
        head: Scores the fused tokens.
        fusion: Joins the branches; needed for two or more.
    """

    def __init__(self, branches: dict[str, Branch], head: Head, fusion: Fusion | None = None) -> None:
        super().__init__()
        if not branches:
            raise ValueError("a network needs at least one branch")
        if len(branches) > 1 and fusion is None:
            raise ValueError(f"{len(branches)} branches ({', '.join(branches)}) need a `fusion`")
        self.branches, self.fusion, self.head = nn.ModuleDict(branches), fusion, head
        widths = {name: branch.width for name, branch in branches.items()}
        if fusion is not None:
            fusion.build(widths)
        head.build(fusion.width if fusion is not None else next(iter(widths.values())))

    def forward(self, views: dict[str, Tensor]) -> Tensor:
        """Score a batch.

        Args:
            views: View name to (batch, time, 3, height, width), values 0..255.

        Returns:
            (batch,) scores in label units, float32.
        """
        tokens = {name: branch(views[name]) for name, branch in self.branches.items()}
        return self.head(self.fusion(tokens) if self.fusion is not None else next(iter(tokens.values())))

    def check(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Hold the branches against the views of the data.

        Args:
            shapes: View name to its shape without batch.

        Raises:
            ValueError: A branch lacks its view, a view its branch, or a shape does not fit; names them.
        """
        for name in self.branches:
            if name not in shapes:
                raise ValueError(f"branch {name!r} has no view of that name; the data gives {', '.join(shapes)}")
        for name, shape in shapes.items():
            if name not in self.branches:
                raise ValueError(f"view {name!r} has no branch of that name; branches: {', '.join(self.branches)}")
            try:
                self.branches[name].check(tuple(shape))  # type: ignore[operator]
            except ValueError as error:
                raise ValueError(f"branch {name!r}: {error}") from None

    def load_pretrained(self) -> None:
        """Load the weights that the branches' arguments ask for."""
        for name, branch in self.branches.items():
            try:
                branch.load_pretrained()  # type: ignore[operator]
            except (ValueError, OSError) as error:
                raise type(error)(f"branch {name!r}: {error}") from None

    def set_label_scale(self, mean: float, sd: float) -> None:
        """Give the head mean and standard deviation of the training labels."""
        self.head.label_mean.fill_(mean)  # type: ignore[operator, union-attr]
        self.head.label_sd.fill_(sd)  # type: ignore[operator, union-attr]
