"""Configurations of diffusion bases that are built without any file, with random weights."""

from typing import Any, Literal

import torch

Shape = Literal["tiny", "sd21"]

# tiny: for tests; the VAE keeps the reduction by 8. sd21: as the configuration files of Stable Diffusion 2.1-base say.
_UNET: dict[str, dict[str, Any]] = {
    "tiny": {
        "sample_size": 8,
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 32,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
    },
    "sd21": {
        "sample_size": 64,
        "block_out_channels": (320, 640, 1280, 1280),
        "layers_per_block": 2,
        "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
        "cross_attention_dim": 1024,
        "attention_head_dim": (5, 10, 20, 20),
        "use_linear_projection": True,
    },
}
_VAE: dict[str, dict[str, Any]] = {
    "tiny": {"sample_size": 64, "block_out_channels": (16, 16, 32, 32), "layers_per_block": 1, "norm_num_groups": 8},
    "sd21": {"sample_size": 768, "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2},
}
_SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "clip_sample": False,
}
TOKENS = {"tiny": 8, "sd21": 77}


def build(shape: Shape, seed: int) -> tuple[Any, Any, dict[str, Any]]:
    """UNet, VAE and scheduler configuration of a shape.

    Weights depend on ``seed`` alone, and the global random state is left as it was. Within
    ``torch.device("meta")`` they take no memory.

    Args:
        shape: Name of a configuration.
        seed: Seed of the random weights.

    Returns:
        UNet, VAE, configuration of the scheduler.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel

    four = len(_VAE[shape]["block_out_channels"])
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        unet = UNet2DConditionModel(**_UNET[shape])
        vae = AutoencoderKL(
            **_VAE[shape],
            latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * four,
            up_block_types=("UpDecoderBlock2D",) * four,
        )
    return unet, vae, dict(_SCHEDULER)
