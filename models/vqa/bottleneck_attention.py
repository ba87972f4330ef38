"""Residual block of a convolutional network with self-attention in its bottleneck."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention


class BottleneckAttention(nn.Module):
    """1x1 convolution, self-attention over all places of a map, 1x1 convolution, added to the map.

    The block of bottleneck transformers (arXiv 2101.11605) in the layout that RQ-VQA stacks three of on the last map of
    its trunk: a quarter of the channels within, batch norms, attention biased by the query's match with a learned
    vector for each distance in rows and in columns. The last norm begins at zero, and the block with it as the
    rectified map.

    Args:
        channels: Channels of the map; a multiple of 4.
        heads: Attention heads.
        head_width: Features per head.
        reach: Distances, in places, that have vectors of their own run up to ``reach - 1``; greater ones share the
            last. 12 is all of a 12x12 map.
    """

    def __init__(self, channels: int, heads: int = 4, head_width: int = 128, reach: int = 12) -> None:
        super().__init__()
        if min(channels // 4, heads, head_width, reach) < 1:
            raise ValueError(f"heads {heads}, head_width {head_width} and reach {reach} must be at least 1")
        self.heads, self.reach = heads, reach
        within, attended = channels // 4, heads * head_width
        self.enter = nn.Sequential(nn.Conv2d(channels, within, 1, bias=False), nn.BatchNorm2d(within), nn.ReLU())
        self.qkv = nn.Conv2d(within, 3 * attended, 1, bias=False)
        self.rows = nn.Parameter(torch.randn(2 * reach - 1, head_width) * head_width**-0.5)
        self.columns = nn.Parameter(torch.randn(2 * reach - 1, head_width) * head_width**-0.5)
        self.leave = nn.Sequential(
            nn.BatchNorm2d(attended), nn.ReLU(), nn.Conv2d(attended, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )
        nn.init.zeros_(self.leave[-1].weight)  # type: ignore[arg-type]

    def forward(self, maps: Tensor) -> Tensor:
        """Mix the places of each map.

        Args:
            maps: (batch, channels, rows, columns).

        Returns:
            The same shape.
        """
        size = maps.shape[2:]
        projected = self.qkv(self.enter(maps)).flatten(2).unflatten(1, (3, self.heads, -1))
        query, key, value = projected.transpose(-1, -2).unbind(1)  # (batch, heads, places, head_width)
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=self._bias(query, size))
        return relu(maps + self.leave(mixed.transpose(-1, -2).flatten(1, 2).unflatten(-1, size)))

    def _bias(self, query: Tensor, size: torch.Size) -> Tensor:
        """What the distance between two places adds to their match: (batch, heads, places, places)."""
        query = query.unflatten(2, size) * query.shape[-1] ** -0.5
        rows, columns = (
            self._vectors(table, each) for table, each in zip((self.rows, self.columns), size, strict=True)
        )
        down = torch.einsum("bhyxd,yzd->bhyxz", query, rows)
        across = torch.einsum("bhyxd,xwd->bhyxw", query, columns)
        return (down[..., :, None] + across[..., None, :]).flatten(4).flatten(2, 3)

    def _vectors(self, table: Tensor, places: int) -> Tensor:
        """The vector of each pair of places on one axis: (places, places, head_width)."""
        steps = torch.arange(places, device=table.device)
        distance = (steps - steps[:, None]).clamp(1 - self.reach, self.reach - 1)
        return table[distance + self.reach - 1]
