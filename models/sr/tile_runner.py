"""Networks on pictures too large for memory: how large tiles are, and what happens when they still do not fit."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.memory import give_back, is_out_of_memory
from models.sr.group_norm_stats import held_statistics
from models.sr.tile_size import SHARE, fitting_side, free_bytes, peak_bytes
from models.sr.tiling import Window, tiled

StageName = Literal["encoder", "unet", "decoder", "fusion", "network"]
# Side, in places of the stage's input, of the smallest tile; memory is measured on one of it.
SMALLEST: dict[StageName, int] = {"encoder": 128, "unet": 16, "decoder": 16, "fusion": 64, "network": 32}
# Tiles begin at multiples of so many places where the picture allows it: what Stable Diffusion's UNet shrinks by.
ALIGN = 8


@dataclass(frozen=True)
class Tiles:
    """How large pictures are cut. Sides are upper limits: short memory makes tiles smaller, and the notes say so.

    Args:
        latent: Side of the UNet's tiles in latents; null for up to 96, as free memory allows.
        encoder: Largest side of the VAE encoder's tiles, pixels.
        decoder: Largest side of the VAE decoder's tiles, latents.
        pixels: Largest side of tiles of a fusion, or of a network without latents, pixels of its input.
        overlap: Least part of a UNet tile that its neighbour sees too, 0..1. Below a third seams grow.
        margin: The same for all other tiles, which depend less on what is far away.
        window: Weights of a tile: ``hann``, ``gaussian`` or ``flat``.
        batch: Tiles in one forward.
        whole: Results of up to so many pixels are not cut where memory allows; a ``latent`` that is given comes first.
        groupnorm_stats: ``global`` takes the statistics of the VAE's group norms from a smaller copy of the whole
            picture; ``tile`` from each tile.
    """

    latent: int | None = None
    encoder: int = 1024
    decoder: int = 224
    pixels: int = 512
    overlap: float = 1 / 3
    margin: float = 1 / 8
    window: Window = "hann"
    batch: int = 1
    whole: int = 512 * 512
    groupnorm_stats: Literal["tile", "global"] = "tile"

    def __post_init__(self) -> None:
        sides = {"latent": self.latent, "encoder": self.encoder, "decoder": self.decoder, "pixels": self.pixels}
        for name, side in sides.items():
            if side is not None and side < 2 * ALIGN:
                raise ValueError(f"tiles: {name} {side} must be at least {2 * ALIGN}")
        if not (0 <= self.overlap <= 0.5 and 0 <= self.margin <= 0.5):
            raise ValueError(f"tiles: overlap {self.overlap} and margin {self.margin} must be in [0, 0.5]")
        if self.batch < 1:
            raise ValueError(f"tiles: batch {self.batch} must be at least 1")


@dataclass(frozen=True)
class Stage:
    """One network of several that a picture passes.

    Args:
        name: Which one.
        function: From tensors (n, c, h, w) to one or a tuple of them.
        ratio: Side of the result over side of the input.
        norms: Network whose group norms may be held to the statistics of the whole picture.
    """

    name: StageName
    function: Callable[..., Any]
    ratio: Fraction = Fraction(1)
    norms: nn.Module | None = None


class TileRunner:
    """Runs stages in tiles, remembers what memory they take, and tells what it did.

    Args:
        tiles: How large pictures are cut.
    """

    def __init__(self, tiles: Tiles) -> None:
        self.tiles = tiles
        # What happened that the user should know, oldest first.
        self.notes: list[str] = []
        # By stage, the last tile in places of the stage's input: side and overlap; both 0 where nothing was cut.
        self.used: dict[str, dict[str, int]] = {}
        self._limits: dict[str, int] = {}
        self._bytes: dict[tuple[str, int], float] = {}

    def run(self, stage: Stage, *inputs: Tensor, pixels: int) -> Any:
        """Apply a stage to a picture, in smaller tiles after memory ran out.

        Args:
            stage: The stage.
            inputs: (b, c, h, w), all of one height and width.
            pixels: Of the final result.

        Returns:
            What the stage's function returns, for the whole picture.

        Raises:
            MemoryError: The smallest tiles do not fit.
        """
        longest = max(inputs[0].shape[-2:])
        while True:
            side = self._side(stage, inputs, pixels)
            overlap = self._overlap(stage.name, side)
            cut = side < longest
            self.used[stage.name] = {"tile": side if cut else 0, "overlap": overlap if cut else 0}
            try:
                with self._statistics(stage, inputs, side) if cut else nullcontext():
                    return tiled(
                        stage.function,
                        inputs,
                        tile=side,
                        overlap=overlap,
                        ratio=stage.ratio,
                        window=self.tiles.window,
                        batch=self.tiles.batch,
                        align=ALIGN,
                    )
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Not in the handler, whose traceback holds on to the tensors.
            self._shrink(stage.name, min(side, longest))

    def _side(self, stage: Stage, inputs: tuple[Tensor, ...], pixels: int) -> int:
        """Side of a stage's tiles for one picture."""
        tiles, name, step = self.tiles, stage.name, lcm(ALIGN, stage.ratio.denominator)
        largest = {"encoder": tiles.encoder, "unet": tiles.latent or 96, "decoder": tiles.decoder}.get(
            name, tiles.pixels
        )
        given = name == "unet" and tiles.latent is not None
        height, width = inputs[0].shape[-2:]
        if pixels <= tiles.whole and not given:
            largest = max(largest, height, width)
        largest = min(-(-largest // step) * step, self._limits.get(name, largest + step))
        if given or name in self._limits:
            return largest
        free = SHARE * free_bytes(inputs[0].device)
        side = fitting_side(height, width, self._place(stage, inputs), free, largest, SMALLEST[name], tiles.batch, step)
        if side < min(largest, max(height, width)):
            self._note(f"free memory allows the {name} tiles of {side}")
        return side

    def _overlap(self, name: str, side: int) -> int:
        share = self.tiles.overlap if name == "unet" else self.tiles.margin
        # A multiple of ALIGN, and never so much that a tile does not move on by one.
        return min(ceil(side * share / ALIGN) * ALIGN, side - ALIGN)

    def _place(self, stage: Stage, inputs: tuple[Tensor, ...]) -> float:
        """Bytes that a stage takes for one place of its input, measured once on its smallest tile."""
        key, side = (stage.name, len(inputs[0])), SMALLEST[stage.name]
        if key not in self._bytes:
            small = [part.new_zeros(len(part), part.shape[1], side, side) for part in inputs]
            self._bytes[key] = peak_bytes(stage.function, *small) / side**2
        return self._bytes[key]

    def _statistics(self, stage: Stage, inputs: tuple[Tensor, ...], side: int) -> AbstractContextManager[None]:
        """Hold group norms to what they see of a copy that is as large as a tile, where that is wanted."""
        if self.tiles.groupnorm_stats == "tile" or stage.norms is None:
            return nullcontext()
        (x,), step = inputs, stage.ratio.denominator
        shrink = side / max(x.shape[-2:])
        small = [max(1, int(length * shrink) // step) * step for length in x.shape[-2:]]
        # Latents are picked and not averaged, which would take their spread away.
        mode: dict[str, Any] = {"mode": "bicubic", "antialias": True} if step > 1 else {"mode": "nearest-exact"}
        return held_statistics(stage.norms, lambda: stage.function(interpolate(x, tuple(small), **mode)))

    def _shrink(self, name: StageName, side: int) -> None:
        half = side // 2 // ALIGN * ALIGN
        if half < SMALLEST[name]:
            raise MemoryError(f"out of memory with the smallest tiles of the {name}, {side}; take a smaller picture")
        self._note(f"out of memory: tiles of the {name} from {side} to {half}")
        self._limits[name] = half
        give_back()

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
