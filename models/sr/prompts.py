"""What a diffusion base is told in words, as embeddings: three fixed prompts, or a table of tags."""

import csv
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from models.sr.base_folder import KEY, PROMPTS, has_text_encoder, hash_files
from models.sr.stored_tensors import open_tensors, write_tensors

Kind = Literal["positive", "negative", "empty"]
KINDS: tuple[Kind, ...] = ("positive", "negative", "empty")
POSITIVE = "a crisp, detailed photograph, natural colours, fine texture, sharp focus"
NEGATIVE = "a blurry, noisy picture, compression blocks, ringing, smeared texture, painting, cartoon"
_ENCODER = ("text_encoder/config.json", "text_encoder/*.safetensors", "tokenizer/vocab.json", "tokenizer/merges.txt")


class Prompts(nn.Module):
    """Embeddings of the three fixed prompts; buffers that no checkpoint keeps.

    Args:
        embeddings: Kind to float (tokens, width).
        encoder: Identity of the text encoder that made them.
    """

    positive: Tensor
    negative: Tensor
    empty: Tensor

    def __init__(self, embeddings: dict[str, Tensor], encoder: str | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        for kind in KINDS:
            self.register_buffer(kind, embeddings[kind][None], persistent=False)

    def forward(self, kind: Kind) -> Tensor:
        """Embedding of one prompt, (1, tokens, width)."""
        if kind not in KINDS:
            raise ValueError(f"there is no prompt {kind!r}; there are {', '.join(KINDS)}")
        return getattr(self, kind)


def random_prompts(tokens: int, width: int, seed: int) -> Prompts:
    """Three different prompts of unit variance that depend on ``seed`` alone."""
    drawn = torch.randn(3, tokens, width, generator=torch.Generator("cpu").manual_seed(seed), device="cpu")
    # Onto the device that new tensors go to, which may be "meta".
    return Prompts(dict(zip(KINDS, drawn.to(torch.empty(0).device), strict=True)), encoder=f"random-{seed}")


def folder_prompts(folder: Path, positive: str | None, negative: str | None) -> Prompts:
    """Prompts of a base folder: stored embeddings, or words through its text encoder, which is freed afterwards.

    Args:
        folder: With ``prompts.safetensors``, or ``tokenizer`` and ``text_encoder``.
        positive: Words; None for those stored, or else ``POSITIVE``.
        negative: Words; None for those stored, or else ``NEGATIVE``.

    Raises:
        ValueError: Words are given and there is no text encoder, or the stored file lacks a prompt.
    """
    if (folder / PROMPTS).is_file() and positive is None and negative is None:
        with open_tensors(folder / PROMPTS) as stored:
            if missing := [kind for kind in KINDS if kind not in stored.keys()]:
                raise ValueError(f"{folder / PROMPTS} lacks {', '.join(missing)}")
            encoder = (stored.metadata() or {}).get("encoder", hash_files(folder, PROMPTS))
            return Prompts({kind: stored.get_tensor(kind).float() for kind in KINDS}, encoder)
    if not has_text_encoder(folder):
        raise ValueError(
            f"words of one's own need tokenizer/ and text_encoder/, which {folder} lacks; leave positive and negative "
            f"null, or set {KEY} to a folder that has them"
        )
    words = {
        "positive": POSITIVE if positive is None else positive,
        "negative": NEGATIVE if negative is None else negative,
        "empty": "",
    }
    return Prompts(dict(zip(words, embed(folder, list(words.values())), strict=True)), encoder_id(folder))


def encoder_id(folder: Path) -> str:
    """SHA-256 over the files of a folder's text encoder and tokenizer."""
    return hash_files(folder, *_ENCODER)


@torch.no_grad()
def embed(folder: Path, texts: Sequence[str], batch: int = 16) -> Tensor:
    """Embed texts with the CLIP text encoder of a base folder.

    Args:
        folder: With ``tokenizer`` and ``text_encoder``.
        texts: Any length; what is longer than the encoder's window is cut.
        batch: Texts in one pass.

    Returns:
        float32 (texts, tokens, width): the last hidden state after its norm.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), local_files_only=True)
    encoder = (
        CLIPTextModel.from_pretrained(str(folder / "text_encoder"), local_files_only=True, use_safetensors=True)
        .float()
        .eval()
    )
    window = encoder.config.max_position_embeddings
    rows = []
    for start in range(0, len(texts), batch):
        ids = tokenizer(
            list(texts[start : start + batch]),
            padding="max_length",
            max_length=window,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        rows.append(encoder(ids).last_hidden_state)
    return torch.cat(rows)


class TagTable:
    """Embeddings of the tags of images, on disk: one row for each different text, keyed by SHA-256 of text and encoder.

    Args:
        path: File that :meth:`build` wrote.
        encoder: Identity of the text encoder in use; a table that another encoder made is refused.
    """

    def __init__(self, path: str | Path, encoder: str) -> None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no table of tags {path}; build it from a CSV with filename,tags")
        with open_tensors(path) as stored:
            metadata, self._embeddings = stored.metadata() or {}, stored.get_slice("embeddings")
            count = len(self._embeddings.get_shape()) and self._embeddings.get_shape()[0]
        if metadata.get("encoder") != encoder:
            raise ValueError(
                f"the tags in {path} were embedded by another text encoder ({str(metadata.get('encoder'))[:12]}) than "
                f"the base's ({encoder[:12]}); build the table again"
            )
        try:
            self._row = {str(id): range(count)[row] for id, row in json.loads(metadata["ids"]).items()}
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            raise ValueError(f"the list of images in {path} is damaged; build the table again") from None
        self.path = Path(path)

    def __len__(self) -> int:
        """Images."""
        return len(self._row)

    def rows(self, ids: Sequence[str]) -> Tensor:
        """Embeddings of the tags of images, float32 (ids, tokens, width).

        Raises:
            KeyError: An image has no tags.
        """
        if missing := [id for id in ids if id not in self._row]:
            raise KeyError(f"{self.path} has no tags of {missing[0]} ({len(missing)} missing)")
        return torch.cat([self._embeddings[self._row[id] : self._row[id] + 1] for id in ids]).float()

    @staticmethod
    def build(tags: str | Path, folder: Path, path: str | Path) -> int:
        """Embed the tags of images; texts that the file already holds are not embedded again.

        Args:
            tags: CSV ``filename,tags``; the filename is the image's id.
            folder: Base folder with ``tokenizer`` and ``text_encoder``.
            path: File to write, float16.

        Returns:
            Texts that were embedded now.
        """
        with Path(tags).open(encoding="utf-8-sig", newline="") as file:
            texts = {row["filename"]: row["tags"] for row in csv.DictReader(file)}
        if not texts:
            raise ValueError(f"{tags} names no image; it needs columns filename and tags")
        encoder = encoder_id(folder)
        keys = {text: hashlib.sha256(f"{encoder}\n{text}".encode()).hexdigest() for text in texts.values()}
        known: dict[str, Tensor] = {}
        if Path(path).is_file():
            with open_tensors(path) as stored:
                old = json.loads((stored.metadata() or {}).get("keys", "[]"))
                known = dict(zip(old, stored.get_tensor("embeddings"), strict=True))
        new = [text for text, key in keys.items() if key not in known]
        if new:
            known |= zip([keys[text] for text in new], embed(folder, new).half(), strict=True)
        order = {key: row for row, key in enumerate(keys.values())}
        metadata = {
            "encoder": encoder,
            "keys": json.dumps(list(order)),
            "ids": json.dumps({id: order[keys[text]] for id, text in texts.items()}),
        }
        partial = Path(path).with_name(f"{Path(path).name}.partial")
        write_tensors({"embeddings": torch.stack([known[key] for key in order])}, partial, metadata)
        partial.replace(path)
        return len(new)
