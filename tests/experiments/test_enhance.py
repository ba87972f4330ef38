"""Every picture gets one result of exact size below --out, once; what cannot be read is told."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.__main__ import main
from experiments.enhance_files import plan
from models.sr.colour_fix import ColourFix
from models.sr.enhancer import Enhancer
from records.errors import UserError
from records.images import read_image, to_picture, to_tensor, write_image
from runtime.load_enhancer import load_diffusion
from tests.experiments.enhance_checkpoints import diffusion_checkpoint, fusion_checkpoint

torch.set_num_threads(1)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height * width).integers(60, 190, (height, width, channels), dtype=np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_image(folder / "a.png", noise(7, 5))
    write_image(folder / "sub" / "clear.png", noise(6, 9, 4))
    turned = Image.fromarray(noise(8, 12))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "turned.jpg", exif=exif)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    diffusion_checkpoint(folder / "semantic.ckpt")
    diffusion_checkpoint(folder / "pixel.ckpt", "pixel")
    fusion_checkpoint(folder / "fusion.ckpt")
    return folder


def enhance(*words: object) -> int:
    return main(["enhance", *map(str, words)])


def test_results_keep_names_size_direction_and_opacity(photos, tmp_path, capsys):
    assert enhance(photos, "--baseline", "bicubic", "--scale", 2, "--out", tmp_path / "out") == 0
    sizes = {"a.png": (14, 10, 3), "sub/clear.png": (12, 18, 4), "turned.png": (24, 16, 3)}
    for name, size in sizes.items():
        assert np.asarray(Image.open(tmp_path / "out" / name)).shape == size
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {row["id"]: row["size"] for row in told["images"]} == {name: list(size[:2]) for name, size in sizes.items()}
    assert told["by"] == "bicubic" and told["scale"] == 2 and told["colour"] == {"method": "none"}
    out = capsys.readouterr().out
    assert "device cpu" in out and "3 restored" in out and "tiles: none" in out


def test_scale_one_of_an_interpolation_gives_the_picture_back(photos, tmp_path):
    for name in ("bicubic", "lanczos"):
        assert enhance(photos, "--baseline", name, "--scale", 1, "--out", tmp_path / name) == 0
        for file in ("a.png", "sub/clear.png"):
            assert np.array_equal(np.asarray(Image.open(tmp_path / name / file)), np.asarray(Image.open(photos / file)))


def test_the_same_command_goes_on_and_only_what_changed_is_made_again(photos, tmp_path, capsys):
    words = (photos, "--baseline", "bicubic", "--out", tmp_path / "out")
    assert enhance(*words) == 0
    stamps = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*.png")}
    write_image(photos / "a.png", noise(9, 9))
    (tmp_path / "out" / "turned.png").unlink()
    capsys.readouterr()
    assert enhance(*words) == 0
    assert "1 of 3 were restored before" in capsys.readouterr().out
    kept = {file.name for file, stamp in stamps.items() if file.stat().st_mtime_ns == stamp}
    assert kept == {"clear.png"} and read_image(tmp_path / "out" / "a.png").shape == (36, 36, 3)
    assert enhance(*words, "--scale", 2) == 0  # other options make all again
    assert "restored before" not in capsys.readouterr().out
    assert len(json.loads((tmp_path / "out" / "manifest.json").read_text())["images"]) == 3


def test_damaged_pictures_are_listed_and_the_rest_is_restored(photos, tmp_path, capsys):
    (photos / "broken.png").write_bytes(b"no picture")
    whole = (photos / "a.png").read_bytes()
    (photos / "half.png").write_bytes(whole[: len(whole) // 2])
    assert enhance(photos, "--baseline", "bicubic", "--out", tmp_path / "out") == 1
    out = capsys.readouterr().out
    assert "broken.png: no picture of a known format" in out and "half.png: " in out and "3 restored" in out
    assert not (tmp_path / "out" / "broken.png").exists()
    assert enhance(photos, "--baseline", "bicubic", "--out", tmp_path / "out") == 1  # tried again, told again
    assert "2 with errors" in capsys.readouterr().out


def test_nothing_is_written_outside_of_the_folder_or_over_an_input(photos, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    out.mkdir()
    (out / "sub").symlink_to(elsewhere)
    with pytest.raises(UserError, match="outside of"):
        plan([photos], out)
    with pytest.raises(UserError, match="is the folder that is read"):
        plan([photos], photos)
    with pytest.raises(UserError, match="would replace a"):
        plan([photos / "a.png"], photos)
    with pytest.raises(UserError, match="is no folder"):
        plan([photos], photos / "a.png")
    # A result that is a link is replaced, and what it led to stays.
    (out / "sub").unlink()
    write_image(elsewhere / "precious.png", noise(3, 3))
    (out / "a.png").symlink_to(elsewhere / "precious.png")
    assert enhance(photos / "a.png", "--baseline", "bicubic", "--out", out) == 0
    assert read_image(elsewhere / "precious.png").shape == (3, 3, 3) and not (out / "a.png").is_symlink()


def test_two_pictures_for_one_result_are_refused(photos, tmp_path):
    Image.fromarray(noise(4, 4)).save(photos / "a.jpg")
    with pytest.raises(UserError, match=r"would both be written to a\.png"):
        plan([photos], tmp_path / "out")
    assert list(plan([photos / "a.png", photos / "a.png"], tmp_path / "out")) == ["a.png"]
    (photos / "a.jpg").unlink()
    inside = photos / "restored"
    write_image(inside / "a.png", noise(4, 4))
    assert set(plan([photos], inside)) == {"a.png", "sub/clear.png", "turned.png"}
    with pytest.raises(UserError, match="no picture found"):
        (tmp_path / "empty").mkdir()
        plan([tmp_path / "empty"], tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--baseline", "bicubic", "--sem", "1"), "no effect on a baseline"),
        (("--baseline", "bicubic", "--scale", "0"), "at least 1"),
        (("--baseline", "bicubic", "--tile", "20"), "multiple of 8"),
        (("--baseline", "realesrgan", "--scale", "8"), "up to 4"),
        (("--baseline", "bicubic", "--device", "cuda:99"), "not usable"),
        (("--checkpoint", "none.ckpt"), "no such checkpoint"),
        (("--checkpoint", "none.ckpt", "--fusion", "f.ckpt", "--pix", "0.5"), "leave out --pix and --sem"),
    ],
)
def test_wrong_options_are_one_sentence(photos, tmp_path, capsys, words, told):
    assert enhance(photos, "--out", tmp_path / "out", *words) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_result_too_large_for_memory_is_told_before_it_is_made(photos, tmp_path, capsys):
    write_image(photos / "a.png", np.zeros((600, 600, 3), np.uint8))
    assert enhance(photos / "a.png", "--baseline", "bicubic", "--scale", 20, "--out", tmp_path / "out") == 1
    assert "12000x12000, would be over 100 million pixels" in capsys.readouterr().out


def test_a_checkpoint_restores_as_its_network_does(photos, trained, tmp_path):
    words = (photos / "a.png", "--checkpoint", trained / "semantic.ckpt", "--out")
    assert enhance(*words, tmp_path / "out", "--sem", "0.5", "--colour", "none") == 0
    lr = to_tensor(read_image(photos / "a.png"))[None]
    loaded = load_diffusion(trained / "semantic.ckpt")
    wanted = Enhancer(loaded.network).restore(lr, 4, 1.0, 0.5)[0]
    assert np.array_equal(read_image(tmp_path / "out" / "a.png"), to_picture(wanted))
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert told["hashes"] == {"checkpoint": loaded.hash} and told["guidance"] == {"pix": 1.0, "sem": 0.5}
    # Its adapters do something, and each its own.
    plain = Enhancer(loaded.network).restore(lr, 4, 1.0, 0.0)[0]
    assert (wanted - plain).abs().max() > 0.01
    assert enhance(*words, tmp_path / "fused", "--fusion", trained / "fusion.ckpt") == 0
    told = json.loads((tmp_path / "fused" / "manifest.json").read_text())
    assert set(told["hashes"]) == {"checkpoint", "fusion"} and told["colour"] == ColourFix().facts()


def test_checkpoints_of_something_else_are_refused(photos, trained, tmp_path, capsys):
    def told(*words: object) -> str:
        assert enhance(photos / "a.png", "--out", tmp_path / "out", *words) == 2
        return capsys.readouterr().err

    assert "needs two" in told("--checkpoint", trained / "pixel.ckpt", "--fusion", trained / "fusion.ckpt")
    assert "no checkpoint of a one-step diffusion" in told("--checkpoint", trained / "fusion.ckpt")
    semantic = trained / "semantic.ckpt"
    assert "no checkpoint of a fusion" in told("--checkpoint", semantic, "--fusion", semantic)
    assert "there is no diffusion base" in told("--checkpoint", semantic, "--base", "/nowhere/at/all")
    checkpoint = torch.load(semantic, weights_only=True)
    foreign, other, less = tmp_path / "foreign.ckpt", tmp_path / "other.ckpt", tmp_path / "less.ckpt"
    network = checkpoint["sugc"]["model"]["init_args"]["network"]
    torch.save(
        {**checkpoint, "sugc": {"model": {"init_args": {"network": {**network, "class_path": "os.system"}}}}}, foreign
    )
    assert "os.system" in (said := told("--checkpoint", foreign)) and "use one that you trust" in said
    torch.save({**checkpoint, "adapters": {**checkpoint["adapters"], "base_weights": "0" * 64}}, other)
    assert "its base_weights is" in told("--checkpoint", other)
    checkpoint["state_dict"].popitem()
    torch.save(checkpoint, less)
    assert "1 missing: " in told("--checkpoint", less)


def test_a_picture_that_memory_does_not_hold_costs_its_row_alone(photos, tmp_path, monkeypatch, capsys):
    restore = Enhancer.restore

    def hungry(self, lr, *more):
        if lr.shape[-2] == 7:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return restore(self, lr, *more)

    monkeypatch.setattr(Enhancer, "restore", hungry)
    assert enhance(photos, "--baseline", "bicubic", "--out", tmp_path / "out") == 1
    out = capsys.readouterr().out
    assert "a.png: CUDA out of memory" in out and "2 restored" in out and "1 with errors" in out
    monkeypatch.undo()
    assert enhance(photos, "--baseline", "bicubic", "--out", tmp_path / "out") == 0
    assert "2 of 3 were restored before" in capsys.readouterr().out


def test_a_disk_that_fills_up_keeps_what_is_done_and_the_same_command_goes_on(tmp_path, capsys):
    out = tmp_path / "small"
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(out)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        for name in ("a", "b", "c"):
            write_image(tmp_path / "photos" / f"{name}.png", noise(120, 120))
        words = (tmp_path / "photos", "--baseline", "bicubic", "--scale", 1, "--out", out)
        assert enhance(*words) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"error: {out}/c.png: no room to write it") and told.count("\n") == 1
        assert sorted(path.name for path in out.glob("*.png")) == ["a.png", "b.png"]
        assert np.asarray(Image.open(out / "b.png")).shape == (120, 120, 3)
        assert enhance(*words[:4], 4, "--out", out) == 1
        assert "3 result(s) will take about" in capsys.readouterr().err
        subprocess.run(["mount", "-o", "remount,size=1m", str(out)], check=True)
        assert enhance(*words) == 0 and "2 of 3 were restored before" in capsys.readouterr().out
    finally:
        subprocess.run(["umount", "-l", str(out)], check=True)
