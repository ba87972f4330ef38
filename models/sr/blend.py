"""Two candidates to one image without training: what a learned fusion has to beat."""

from torch import Tensor, nn

from models.sr.wavelet import low_band


class Blend(nn.Module):
    """A constant share of the perceptual candidate.

    Args:
        alpha: Share of the perceptual candidate, 0..1.
    """

    def __init__(self, alpha: float = 0.5) -> None:
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha {alpha} must be in [0, 1]")
        self.alpha = alpha

    def forward(self, i_psnr: Tensor, i_per: Tensor, lr: Tensor | None = None) -> Tensor:
        """Mix the candidates.

        Args:
            i_psnr: (b, 3, h, w) in [0, 1], the faithful candidate.
            i_per: (b, 3, h, w) in [0, 1], the perceptual one.
            lr: Not looked at.

        Returns:
            (b, 3, h, w) in [0, 1].
        """
        return i_psnr.lerp(i_per, self.alpha)


class FrequencyMerge(nn.Module):
    """What is coarse of the faithful candidate with what is fine of the perceptual one.

    Args:
        levels: Number of blurs between the two, from 1; with n the fine part reaches about 2^n pixels.
    """

    def __init__(self, levels: int = 5) -> None:
        super().__init__()
        if levels < 1:
            raise ValueError(f"levels {levels} must be at least 1")
        self.levels = levels

    def forward(self, i_psnr: Tensor, i_per: Tensor, lr: Tensor | None = None) -> Tensor:
        """Join the bands.

        Args:
            i_psnr: (b, 3, h, w) in [0, 1], the faithful candidate.
            i_per: (b, 3, h, w) in [0, 1], the perceptual one.
            lr: Not looked at.

        Returns:
            (b, 3, h, w) in [0, 1].
        """
        return (i_per + low_band(i_psnr - i_per, self.levels)).clamp(0, 1)
