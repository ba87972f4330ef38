"""`prepare tiny-base`: train the small autoencoder and denoiser that stand in for Stable Diffusion on two cores."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.build_folder import claim, positive
from records.errors import not_written
from records.files import atomic_path, write_json, write_text
from records.hashing import file_hash

if TYPE_CHECKING:
    from torch import Tensor

CHANNELS = 16
SIDE = 96


def add_tiny_base(names: Any) -> None:
    """The sub-command."""
    parser = names.add_parser("tiny-base", help="small trained autoencoder and denoiser for Track 2 without a GPU")
    parser.add_argument("--root", required=True, metavar="DIR", type=Path, help="folder of the base")
    parser.add_argument(
        "--data", metavar="DIR", type=Path, default=Path("data/mini-kwaisr"), help="mini-kwaisr (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of all that is drawn (default: 0)")
    parser.add_argument("--crops", type=positive, default=600, metavar="N", help="crops learnt from (default: 600)")
    parser.add_argument("--vae-steps", type=int, default=1200, metavar="N", help="steps of the autoencoder")
    parser.add_argument("--unet-steps", type=int, default=2000, metavar="N", help="steps of the denoiser")
    parser.set_defaults(prepare=prepare_tiny_base)


def prepare_tiny_base(args: argparse.Namespace) -> int:
    """Train whatever part of the base is missing, say how good it is, and return the exit code."""
    import torch
    from diffusers import DDPMScheduler, UNet2DConditionModel

    from experiments.tiny_base.autoencoder import reconstruction_psnr, train_autoencoder
    from experiments.tiny_base.crops import Photographs, clean_and_degraded, to_signed
    from experiments.tiny_base.denoiser import SCHEDULE, train_denoiser
    from models.sr.patch_autoencoder import PatchAutoencoder
    from models.sr.stored_tensors import open_tensors

    root: Path = args.root
    photographs = Photographs.read(args.data / "train" / "hr", SIDE)
    held_out = Photographs.read(args.data / "val" / "synthetic" / "hr", 64)
    recipe = {"base": "tiny-sr", "version": 1, "seed": args.seed, "crops": args.crops, "channels": CHANNELS}
    recipe |= {"vae_steps": args.vae_steps, "unet_steps": args.unet_steps}
    claim(root, recipe, "a tiny base")
    card = root / "README.md"
    if card.is_file():
        print(f"{root} is complete; nothing to do")
        return 0
    clean, degraded = clean_and_degraded(photographs, args.crops, SIDE, args.seed)
    if not (root / "vae" / "config.json").is_file():
        vae = train_autoencoder(
            clean, degraded, channels=CHANNELS, steps=args.vae_steps, seed=args.seed, progress=_told("autoencoder")
        )
        # Its configuration is written before its weights, and says that all of it is there.
        whole = root / f".vae.{os.getpid()}.tmp"
        vae.save_pretrained(whole)
        os.replace(whole, root / "vae")
    vae = PatchAutoencoder.from_pretrained(root / "vae", use_safetensors=True).eval()
    pictures = [torch.from_numpy(picture).permute(2, 0, 1) for picture in held_out.pictures]
    quality = sum(reconstruction_psnr(vae, _even(picture, vae.config.factor)) for picture in pictures) / len(pictures)
    print(f"autoencoder: {quality:.2f} dB on {len(pictures)} held-out crops")

    def latents(crops: "Tensor") -> "Tensor":
        with torch.no_grad():
            parts = [vae.encode(to_signed(part)).latent_dist.mode() for part in crops.split(32)]
        return torch.cat(parts) * vae.config.scaling_factor

    if not (root / "prompts.safetensors").is_file():
        unet, prompts = train_denoiser(
            latents(clean), latents(degraded), steps=args.unet_steps, seed=args.seed, progress=_told("denoiser")
        )
        unet.save_pretrained(root / "unet")
        DDPMScheduler(**SCHEDULE, prediction_type="epsilon").save_pretrained(root / "scheduler")
        _save(root / "prompts.safetensors", prompts)
    unet = UNet2DConditionModel.from_pretrained(root / "unet", use_safetensors=True).eval()
    with open_tensors(root / "prompts.safetensors") as stored:
        prompts = {name: stored.get_tensor(name) for name in stored.keys()}
    gap = _gap(unet, prompts, latents(clean[:32]))
    print(f"denoiser: what the two prompts say of noise differs by {gap:.4f} of its standard deviation")
    facts = {
        "reconstruction_psnr": round(quality, 2),
        "prompt_gap": round(gap, 4),
        "sha256": {str(path.relative_to(root)): file_hash(path) for path in sorted(root.rglob("*.safetensors"))},
    }
    write_json(root / "facts.json", facts)
    write_text(card, _card(facts, args))
    return 0


def _told(what: str) -> Callable[[int, int, float], None]:
    mean: list[float] = []

    def tell(step: int, steps: int, loss: float) -> None:
        mean.append(loss)
        if step % 200 == 0 or step == steps:
            print(f"{what} {step}/{steps}  loss {sum(mean) / len(mean):.4f}", flush=True, file=sys.stderr)
            mean.clear()

    return tell


def _even(picture: "Tensor", multiple: int) -> "Tensor":
    height, width = (side // multiple * multiple for side in picture.shape[-2:])
    return picture[:, :height, :width]


def _save(path: Path, tensors: "dict[str, Tensor]") -> None:
    from models.sr.stored_tensors import write_tensors

    try:
        with atomic_path(path) as temporary:
            write_tensors(tensors, temporary)
    except OSError as error:
        raise not_written(path, error) from None


def _gap(unet: Any, prompts: "dict[str, Tensor]", z: "Tensor") -> float:
    """How far apart the predictions for both prompts are, at the middle of the noise."""
    import torch

    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(0))
    noisy = 0.7 * z + 0.7 * noise
    t = torch.full((len(z),), 250)
    with torch.no_grad():
        said = [unet(noisy, t, prompts[name].expand(len(z), -1, -1)).sample for name in ("positive", "negative")]
    return float((said[0] - said[1]).pow(2).mean().sqrt() / said[0].std())


def _card(facts: dict[str, Any], args: argparse.Namespace) -> str:
    return f"""# tiny-sr: a small trained base for diffusion super-resolution

An autoencoder of factor 4 with {CHANNELS} latent channels and a denoiser of Stable Diffusion's kind, both trained from
nothing on the training photographs of mini-kwaisr, with two learnt prompts: `positive` for clean, `negative` for
degraded crops. It makes every step of Track 2 run for real on two cores; it is no Stable Diffusion.

- held-out reconstruction of the autoencoder: {facts["reconstruction_psnr"]} dB (mean over crops of validation, 8 bit)
- distance of the predictions for both prompts: {facts["prompt_gap"]} of their standard deviation

Made by `python -m experiments prepare tiny-base --root DIR --data data/mini-kwaisr --seed {args.seed}`.
Photographs and their licences: the data card of mini-kwaisr.
"""
