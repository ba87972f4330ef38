"""Diffusion bases on disk, of a few hundred KB, in diffusers' layout."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from models.sr.shapes import build

WIDTH, TOKENS = 32, 8


def write_base(folder: Path, prompts: bool = True, prediction: str = "epsilon") -> Path:
    """A tiny base; with stored prompts, or else with a tokenizer and a text encoder."""
    unet, vae, schedule = build("tiny", seed=1)
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / "vae")
    (folder / "scheduler").mkdir()
    settings = {"_class_name": "PNDMScheduler", **schedule, "prediction_type": prediction, "skip_prk_steps": True}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(settings))
    if prompts:
        drawn = torch.randn(3, TOKENS, WIDTH, generator=torch.Generator().manual_seed(2))
        save_file(dict(zip(("positive", "negative", "empty"), drawn, strict=True)), folder / "prompts.safetensors")
    else:
        write_text_encoder(folder, seed=3)
    return folder


def write_text_encoder(folder: Path, seed: int) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    letters = "abcdefghijklmnopqrstuvwxyz,"
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps({word: at for at, word in enumerate(vocabulary)}))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        CLIPTextModel(config).save_pretrained(folder / "text_encoder")
