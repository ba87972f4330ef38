"""Candidates on disk: both of every image, nothing made twice, nothing mixed, and all that is known of them."""

from types import SimpleNamespace

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from callbacks.candidates import PARTS, CandidateWriter
from callbacks.restored_images import RestoredImages
from callbacks.run_facts import RunFacts
from records.candidates import FILE, Candidate, CandidateSet, read_candidates
from records.errors import UserError
from records.files import write_text
from records.images import read_image

SIDES = {"a": (4, 6), "b": (5, 3), "c": (2, 2), "d": (3, 3)}


class Pictures(L.LightningDataModule):
    """Four images of a split, the last one wild; `b` is trained on, and an image that shows what `c` shows."""

    def __init__(self, split="train"):
        super().__init__()
        self.predict_split, self.left_out = split, frozenset()

    def images(self, split):
        assert split == "train"
        shown = [("train/synthetic/b.png", "a leaf"), ("train/synthetic/e.png", "train c")]
        return [SimpleNamespace(id=id, content=content) for id, content in shown]

    def split_of(self, id):
        return id.partition("/")[0]

    def leave_out(self, ids):
        self.left_out = ids

    def predict_dataloader(self):
        batches = []
        for name, side in SIDES.items():
            domain = "wild" if name == "d" else "synthetic"
            id, scale = f"{self.predict_split}/{domain}/{name}.png", 1 if name == "d" else 2
            if id not in self.left_out:
                content = [f"{self.predict_split} {name}"]
                lr = torch.full((1, 3, *side), 0.2)
                batches.append({"id": [id], "lr": lr, "domain": [domain], "scale": scale, "content": content})
        return DataLoader(batches or [{"id": []}], batch_size=None)


class Restorer(L.LightningModule):
    """Enlarges by repetition; the perceptual candidate is brighter. Fails at the image named `fails`."""

    def __init__(self, checkpoint, fails="none"):
        super().__init__()
        self.checkpoint, self.fails, self.asked = checkpoint and str(checkpoint), fails, []

    def predict_step(self, batch, batch_idx):
        if not batch["id"]:
            return {"id": []}
        if self.fails in batch["id"][0]:
            raise RuntimeError("killed")
        self.asked.append(batch["id"][0])
        whole = torch.nn.functional.interpolate(batch["lr"], scale_factor=batch["scale"])
        return {"id": batch["id"], "psnr": whole, "per": whole + 0.4, "sr": whole, "facts": {"tile": 64}}


@pytest.fixture
def work(tmp_path):
    (tmp_path / "a.ckpt").write_bytes(b"a")
    (tmp_path / "b.ckpt").write_bytes(b"b")
    return tmp_path


def write(work, split="train", *, checkpoint="a.ckpt", fails="none", config=None, module=None, out=None):
    module = module or Restorer(work / checkpoint, fails)
    writer = CandidateWriter(out)
    trainer = L.Trainer(
        accelerator="cpu",
        default_root_dir=work / "run",
        callbacks=[writer, RestoredImages(), RunFacts(config or {})],
        enable_progress_bar=False,
        logger=False,
    )
    trainer.predict(module, datamodule=Pictures(split), return_predictions=False)
    return module.asked, writer


def test_both_candidates_of_every_image_are_written_with_what_is_known_of_them(work):
    _, writer = write(work)
    found = read_candidates(work / "run/candidates")
    assert [image.id for image in found.images] == [f"train/synthetic/{n}.png" for n in "abc"] + ["train/wild/d.png"]
    first, last = found.images[0], found.images[-1]
    assert (first.size, first.scale, last.size, last.scale) == ((8, 12), 2, (3, 3), 1)
    assert [image.seen for image in found.images] == [False, True, True, False] and first.made == {"tile": 64}
    assert len(found.maker["checkpoint"]) == 64 and found.facts["seed"] == 0 and found.facts["environment"]["python"]
    for kind, value in (("psnr", 51), ("per", 153)):
        picture = read_image(work / "run/candidates/train/synthetic" / kind / "a.png")
        assert picture.shape == (8, 12, 3) and (picture == value).all()
        assert (work / "run/candidates/train/wild" / kind / "d.png").is_file()
    assert not (work / "run/restored").exists() and not (work / "run/candidates" / PARTS).exists()
    assert writer.figures["candidates"]["images"] == {"train": 4} and "4 train" in writer.told["candidates"]


def test_what_a_stopped_run_did_is_not_done_again_but_what_was_removed_is(work):
    with pytest.raises(RuntimeError, match="killed"):
        write(work, fails="synthetic/c")
    assert not (work / "run/candidates" / FILE).exists()
    asked, _ = write(work)
    assert asked == ["train/synthetic/c.png", "train/wild/d.png"]
    assert len(read_candidates(work / "run/candidates").images) == 4
    assert write(work)[0] == []
    (work / "run/candidates/train/synthetic/per/b.png").unlink()
    assert write(work)[0] == ["train/synthetic/b.png"]
    assert len(read_candidates(work / "run/candidates").images) == 4


def test_another_split_joins_the_folder(work):
    write(work, out=str(work / "out"))
    asked, writer = write(work, "val", out=str(work / "out"))
    assert len(asked) == 4 and writer.figures["candidates"]["images"] == {"train": 4, "val": 4}
    assert {image.seen for image in read_candidates(work / "out").images if image.split == "val"} == {False}


def test_candidates_of_another_checkpoint_or_other_settings_are_refused(work):
    settings = {"model": {"init_args": {"network": {"rank": 4}, "optimizer": 1}}}
    write(work, config=settings)
    with pytest.raises(UserError, match="another checkpoint"):
        write(work, checkpoint="b.ckpt", config=settings)
    settings["model"]["init_args"]["optimizer"] = 2
    assert write(work, config=settings)[0] == []
    settings["model"]["init_args"]["network"]["rank"] = 8
    with pytest.raises(UserError, match="another settings"):
        write(work, config=settings)


def test_journals_of_another_checkpoint_are_refused_too(work):
    with pytest.raises(RuntimeError, match="killed"):
        write(work, fails="synthetic/c")
    with pytest.raises(UserError, match="another checkpoint"):
        write(work, checkpoint="b.ckpt")


def test_a_model_without_candidates_or_without_training_is_told(work):
    with pytest.raises(UserError, match="--ckpt_path"):
        write(work, module=Restorer(None))
    one = Restorer(work / "a.ckpt")
    one.predict_step = lambda batch, batch_idx: {"id": batch["id"], "sr": batch["lr"]}
    with pytest.raises(UserError, match="gives no candidates"):
        write(work, module=one)


def test_images_that_would_share_a_file_are_refused(tmp_path):
    images = [Candidate(f"train/wild/a.{kind}", "train", "wild", (1, 1), 1) for kind in ("png", "jpg")]
    with pytest.raises(UserError, match=r"a\.png and .*a\.jpg would both be"):
        CandidateSet(tmp_path, {}, {}, images).write()


def test_a_folder_without_candidates_is_told(tmp_path):
    with pytest.raises(UserError, match="no such file; write candidates"):
        read_candidates(tmp_path)
    for text in ("{", "[]", "{}", '{"maker": {}, "images": [{"id": "a"}]}'):
        write_text(tmp_path / FILE, text)
        with pytest.raises(UserError, match="holds no candidates"):
            read_candidates(tmp_path)


def test_8_bit_rounding_is_that_of_every_other_picture(work):
    module = Restorer(work / "a.ckpt")
    module.predict_step = lambda batch, batch_idx: (
        {"id": batch["id"], "psnr": torch.full((1, 3, 2, 2), 0.5), "per": torch.full((1, 3, 2, 2), 1.7)}
    )
    write(work, module=module)
    values = [np.unique(read_image(work / "run/candidates/train/wild" / kind / "d.png")) for kind in ("psnr", "per")]
    assert [value.tolist() for value in values] == [[128], [255]]
