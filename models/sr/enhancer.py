"""From a low-resolution picture of any size to a restored one of exact size, in tiles where it is large."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.sr.colour_fix import ColourFix
from models.sr.resample import upsample
from models.sr.tile_runner import Stage, TileRunner, Tiles


class Enhancer:
    """Restores pictures with a one-step diffusion model, a fusion of its two candidates, or a plain network.

    Args:
        model: ``OneStepSR`` or its merged copy; or any module ``(lr, scale)`` to the picture at its final size, cut
            like the others unless it says ``whole = True``; None enlarges by bicubic interpolation.
        fusion: Module ``(i_psnr, i_per, lr)`` to one picture; None where :meth:`fused` is not used.
        tiles: How large pictures are cut.
        colour: Applied once to every picture that comes out of the model; None for none. A fusion sees it applied.
    """

    def __init__(
        self,
        model: nn.Module | None,
        fusion: nn.Module | None = None,
        tiles: Tiles | None = None,
        colour: ColourFix | None = None,
    ) -> None:
        self.model, self.fusion = model, fusion
        self.colour = colour or ColourFix("none")
        self.runner = TileRunner(tiles or Tiles())

    @torch.no_grad()
    def restore(self, lr: Tensor, scale: int, pix: float = 1.0, sem: float = 1.0) -> Tensor:
        """One restored picture.

        Args:
            lr: float (b, 3, h, w) in [0, 1], any size.
            scale: Factor of each side, from 1.
            pix: Guidance of fidelity; without effect on a plain network.
            sem: Guidance of detail; likewise.

        Returns:
            (b, 3, h * scale, w * scale) in [0, 1].

        Raises:
            MemoryError: The smallest tiles do not fit.
        """
        if not self.diffuses:
            return self._plain(lr, scale)
        model: Any = self.model
        (restored,) = self._diffused(lr, scale, lambda z: (model.restore_latent(z, pix, sem),))
        return restored

    @torch.no_grad()
    def candidates(self, lr: Tensor, scale: int) -> tuple[Tensor, Tensor]:
        """The faithful and the perceptual candidate, guidances (1, 0) and (1, 1), on one grid of tiles.

        Args:
            lr: float (b, 3, h, w) in [0, 1], any size.
            scale: Factor of each side, from 1.

        Returns:
            Two of (b, 3, h * scale, w * scale) in [0, 1].

        Raises:
            ValueError: The model is a plain network.
            MemoryError: The smallest tiles do not fit.
        """
        if not self.diffuses:
            raise ValueError("only a diffusion model with two adapters has two candidates")
        model: Any = self.model
        faithful, perceptual = self._diffused(
            lr, scale, lambda z: (model.restore_latent(z, 1.0, 0.0), model.restore_latent(z, 1.0, 1.0))
        )
        return faithful, perceptual

    @torch.no_grad()
    def fused(self, lr: Tensor, scale: int) -> Tensor:
        """Both candidates, made one by the fusion. Arguments, result and errors as of :meth:`candidates`."""
        return self.fuse(*self.candidates(lr, scale), upsample(lr, scale))

    @torch.no_grad()
    def fuse(self, faithful: Tensor, perceptual: Tensor, enlarged: Tensor) -> Tensor:
        """Fuse two candidates that are there.

        Args:
            faithful: (b, 3, h, w) in [0, 1], any size.
            perceptual: The same.
            enlarged: What they were made of, likewise; looked at by fusions that want it.

        Returns:
            (b, 3, h, w) in [0, 1].

        Raises:
            MemoryError: The smallest tiles do not fit.
        """
        if self.fusion is None:
            raise ValueError("there is no fusion; give one to the Enhancer")
        pictures = [faithful, perceptual, enlarged]
        height, width = faithful.shape[-2:]
        # As the fusion itself would, so that tiles are in step with what it shrinks by.
        multiple = int(getattr(self.fusion, "multiple", 1))
        right, below = -width % multiple, -height % multiple
        padded = [pad(part, (0, right, 0, below), mode="replicate") for part in pictures]
        out = self.runner.run(Stage("fusion", self.fusion), *padded, pixels=height * width)
        return out[..., :height, :width].clamp(0, 1)

    @property
    def diffuses(self) -> bool:
        """Whether the model works on latents."""
        return hasattr(self.model, "restore_latent")

    @property
    def notes(self) -> list[str]:
        """What happened that the user should know, such as tiles that were made smaller; oldest first."""
        return self.runner.notes

    @property
    def used(self) -> dict[str, dict[str, int]]:
        """By stage, ``tile`` and ``overlap`` of the last picture in places of the stage's input; 0 for not cut."""
        return self.runner.used

    def facts(self) -> dict[str, Any]:
        """Limits of tiles and colour fix, as plain values."""
        return {"tiles": dict(vars(self.runner.tiles)), "colour": self.colour.facts()}

    def _plain(self, lr: Tensor, scale: int) -> Tensor:
        enlarged = upsample(lr, scale)
        if self.model is None:
            return enlarged
        model, out = self.model, enlarged
        if getattr(model, "whole", False):
            out = model(lr, scale)
        else:
            stage = Stage("network", lambda x: model(x, scale), Fraction(scale))
            out = self.runner.run(stage, lr, pixels=enlarged.shape[-2] * enlarged.shape[-1])
        return self.colour(out.clamp(0, 1), enlarged)

    def _diffused(self, lr: Tensor, scale: int, restore: Callable[[Tensor], tuple[Tensor, ...]]) -> list[Tensor]:
        """Pictures of as many latents as ``restore`` gives."""
        model: Any = self.model
        enlarged = upsample(lr, scale)
        height, width = enlarged.shape[-2:]
        seen = 2 * reflected(enlarged, model.multiple) - 1
        run, pixels = self.runner.run, seen.shape[-2] * seen.shape[-1]
        latent = run(Stage("encoder", model.encode, Fraction(1, model.factor), model), seen, pixels=pixels)
        del seen
        decoder = Stage("decoder", model.decode, Fraction(model.factor), model)
        pictures = []
        for restored in run(Stage("unet", restore), latent, pixels=pixels):
            out = (run(decoder, restored, pixels=pixels) + 1) / 2
            pictures.append(self.colour(out.clamp(0, 1)[..., :height, :width], enlarged))
        return pictures


def reflected(x: Tensor, multiple: int) -> Tensor:
    """Pictures whose sides are multiples, continued below and to the right by their mirror image.

    Args:
        x: (b, c, h, w), of any size: a side that is shorter than what it lacks is mirrored again and again.
        multiple: Sides become multiples of it.
    """
    for axis in (-2, -1):
        side = x.shape[axis]
        if missing := -side % multiple:
            period = max(1, 2 * (side - 1))
            places = torch.arange(side + missing, device=x.device) % period
            x = x.index_select(axis, torch.where(places < side, places, period - places))
    return x
