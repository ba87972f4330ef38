"""The quality network: one branch per view, a fusion where there are several, a head."""

from torch import Tensor, nn

from models.vqa.branch import Branch
from models.vqa.fusion import Fusion
from models.vqa.heads import Head


class VQANetwork(nn.Module):
    """Scores a batch of videos from their views.

    Args:
        branches: View to the branch that reads it; a branch bears the name of its view.
        head: Scores the tokens.
        fusion: Joins the branches; needed for two or more.

    Attributes:
        width: Features per token that the head scores.
    """

    def __init__(self, branches: dict[str, Branch], head: Head, fusion: Fusion | None = None) -> None:
        super().__init__()
        if not branches:
            raise ValueError("a network needs at least one branch")
        if taken := {"fusion", "head"} & set(branches):
            raise ValueError(f"a branch cannot be named {taken.pop()!r}, which names a part of the network")
        widths = {name: branch.width for name, branch in branches.items()}
        if fusion is None and len(branches) > 1:
            raise ValueError(f"{len(branches)} branches ({', '.join(branches)}) need a fusion")
        if fusion is not None:
            fusion.build(widths)
        self.width = fusion.width if fusion is not None else next(iter(widths.values()))
        head.build(self.width)
        self.branches, self.fusion, self.head = nn.ModuleDict(branches), fusion, head

    def forward(self, views: dict[str, Tensor]) -> Tensor:
        """Score videos.

        Args:
            views: View to (batch, time, 3, height, width), uint8, or float in 0..255; every branch has its view.

        Returns:
            (batch,) scores in label units, float32.
        """
        return self.head(self.features(views))

    def features(self, views: dict[str, Tensor]) -> Tensor:
        """What the head scores: the tokens of the only branch, or those of all branches joined.

        Args:
            views: As ``forward`` takes them.

        Returns:
            (batch, tokens, ``width``) features.
        """
        tokens = {name: branch(views[name]) for name, branch in self.branches.items()}
        return next(iter(tokens.values())) if self.fusion is None else self.fusion(tokens)

    def check(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Refuse views that do not belong to this network.

        Args:
            shapes: View to its promised shape, (time, 3, height, width), without the batch.

        Raises:
            ValueError: Names every branch without a view, view without a branch, and view that a branch cannot read.
        """
        problems = [f"branch {name!r} has no view" for name in self.branches if name not in shapes]
        problems += [f"view {name!r} has no branch" for name in shapes if name not in self.branches]
        for name, branch in self.branches.items():
            if name in shapes:
                try:
                    branch.check(tuple(shapes[name]))  # type: ignore[operator]
                except ValueError as error:
                    problems.append(f"branch {name!r} {error}")
        if problems:
            raise ValueError("; ".join(problems))

    def load_pretrained(self) -> dict[str, str]:
        """Load the pretrained weights that the branches ask for.

        Returns:
            Branch to where its weights come from; branches with random weights are left out.

        Raises:
            ValueError: Weights do not fit; names the branch.
            FileNotFoundError: Weights cannot be had; names the branch.
        """
        sources = {}
        for name, branch in self.branches.items():
            try:
                source = branch.load_pretrained()  # type: ignore[operator]
            except (ValueError, FileNotFoundError) as error:
                raise type(error)(f"branch {name!r}: {error}") from error
            if source is not None:
                sources[name] = source
        return sources

    def set_label_scale(self, mean: float, sd: float) -> None:
        """Give predictions the mean and standard deviation of the training labels.

        Args:
            mean: Mean of the training labels.
            sd: Their standard deviation, above 0.
        """
        self.head.set_label_scale(mean, sd)
