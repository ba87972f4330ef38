"""Sound little files of every kind that is read, to be broken; real ones beside them where they are on this machine."""

import json
from pathlib import Path

import numpy as np

from tests.command import ROOT

SHARED = ROOT.parent / "shared" / "data"
# Larger files make slow cases and hit nothing new.
LARGEST = 60_000


def _real(folder: Path, *names: str) -> None:
    for name in names:
        path = SHARED / name
        if path.is_file():
            data = path.read_bytes()
            if len(data) <= LARGEST:
                (folder / f"real-{path.name}").write_bytes(data)


def images(folder: Path) -> None:
    from PIL import Image

    y, x = np.mgrid[:21, :34]
    rgb = np.stack([(x * 7 + y) % 256, (y * 11) % 256, (x * y) % 256], axis=-1).astype(np.uint8)
    picture, exif = Image.fromarray(rgb), Image.Exif()
    exif[0x0112] = 6
    kinds: dict[str, tuple[Image.Image, dict]] = {
        "rgb.png": (picture, {}),
        "palette.png": (picture.convert("P"), {"transparency": 3}),
        "grey16.png": (Image.fromarray(rgb[..., 0].astype(np.uint16) * 257), {}),
        "alpha.png": (picture.convert("RGBA"), {}),
        "base.jpg": (picture, {"quality": 80}),
        "turned.jpg": (picture, {"exif": exif, "progressive": True}),
        "cmyk.jpg": (picture.convert("CMYK"), {}),
        "lossy.webp": (picture, {"quality": 60}),
        "moving.webp": (picture, {"lossless": True, "save_all": True, "append_images": [picture.rotate(9)]}),
        "plain.bmp": (picture, {}),
        "plain.tif": (picture, {}),
        "lzw.tif": (picture.convert("RGBA"), {"compression": "tiff_lzw"}),
        "deflate.tif": (picture.convert("F"), {"compression": "tiff_adobe_deflate"}),
        "jpeg.tif": (picture, {"compression": "jpeg"}),
        "moving.gif": (picture, {"save_all": True, "append_images": [picture.rotate(9)]}),
        "plain.ppm": (picture, {}),
    }
    for name, (image, options) in kinds.items():
        image.save(folder / name, **options)
    names = ("palette.png", "grey_alpha.png", "cmyk.jpg", "progressive.jpg", "photo.webp", "one_pixel.png")
    _real(folder, *(f"images/edge/{name}" for name in names), "images/exif_Landscape_6.jpg")


def videos(folder: Path) -> None:
    from tests.datamodules.video.clips import make_clip

    size = {"frames": 7, "height": 48, "width": 64, "rate": 4}
    kinds: dict[str, dict] = {
        "h264.mp4": {"g": "3", "bf": "1"},
        "parts.mp4": {"g": "3", "muxer": {"movflags": "frag_keyframe+empty_moov"}},
        "turned.mov": {"g": "3", "rotation": (90.0, False, False)},
        "h264.mkv": {"g": "3", "bf": "2"},
        "h264.flv": {"g": "3"},
        "h264.ts": {"g": "3"},
        "mpeg4.avi": {"codec": "mpeg4", "gop": 3},
        "mpeg2.mpg": {"codec": "mpeg2video", "gop": 3, "rate": 25},
        "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
        "vp9.webm": {"codec": "libvpx-vp9", "g": "4", "deadline": "realtime", "cpu-used": "8"},
        "vp8.webm": {"codec": "libvpx", "g": "4", "deadline": "realtime", "cpu-used": "8"},
        # The encoder itself writes past its memory with smaller pictures.
        "hevc.mp4": {"codec": "libx265", "x265-params": "keyint=4:log-level=none", "height": 64, "width": 96},
        "grey.mkv": {"codec": "ffv1", "pix_fmt": "gray"},
        "moving.gif": {"codec": "gif", "pix_fmt": "rgb8"},
    }
    for name, options in kinds.items():
        make_clip(folder / name, **{**size, **options})
    names = ("one_frame.mp4", "vfr.mp4", "av1.mp4", "jpeg_renamed.mp4", "rotated_90.mp4", "fragmented.mp4")
    _real(folder, *(f"videos/edge/{name}" for name in names))


def tables(folder: Path) -> None:
    texts = {
        "labels": "filename,score,group,split\ntrain/0001.mp4,3.5,a,train\nval/ü b.mp4,1.25,b,val\n",
        "numbered": "filename,score\r\n" + "".join(f"train/{n:04d}.mp4,{n}.5\r\n" for n in range(1, 15)),
        "list": "a.mp4, 10.0, 30, 55.5\nb/c.mp4, 8.1, 25, 60.25\n",
        "quoted": '\ufefffilename,score\n"a, b.mp4",1\n"c ""d"".mp4",2\n',
        "pairs": "kind,video1,video2,rank\nsource,a.mp4,b.mp4,1\nnonsource,c.mp4,d.mp4,2\n",
        "scores": "id,score,percentile,seconds,error\na.mp4,1.5,50,0.1,\nb.mp4,,,,broken\n",
        "folds": "filename,fold\na.mp4,0\nb.mp4,1\n",
        "votes": "rater,image,system_a,system_b,winner\nx,i.png,one,two,one\ny,i.png,two,one,tie\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    for path in sorted((SHARED / "labels").glob("*.*")) if SHARED.is_dir() else []:
        if path.suffix in (".csv", ".txt"):
            (folder / f"real-{path.name}").write_bytes(path.read_bytes()[:3000])


def workbooks(folder: Path) -> None:
    import openpyxl

    for name, header in (("header.xlsx", True), ("bare.xlsx", False)):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for sheet in ("nonsource", "source"):
            page = book.create_sheet(sheet)
            rows = [["video1", "video2", "rank", "note"]] * header + [[f"{sheet}/a{n}.mp4", "b.mp4", n] for n in (1, 2)]
            for row in rows:
                page.append(row)
        book.save(folder / name)


def parquets(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from records.image_scores import ImageScore, write_image_scores
    from records.predictions import Prediction, write_predictions
    from records.pseudo_labels import write_pseudo_labels

    ids = [f"train/{n:04d}.mp4" for n in range(9)]
    write_predictions(folder / "a", [Prediction(id, 0.5, 1.0, "label", "c", "val") for id in ids])
    numbers = np.arange(9, dtype=np.float32)
    write_pseudo_labels(folder / "b", ids, numbers, numbers, ids, {"teacher": ["x"], "transductive": False})
    write_image_scores(folder / "c", [ImageScore(id, "val", "wild", "c", {"psnr": 1.0}) for id in ids])
    table = pa.table({"id": pa.array(ids).dictionary_encode(), "score": pa.array([1.5, None] * 4 + [2.0])})
    for name, options in {"zstd": {}, "gzip": {"use_dictionary": False}, "brotli": {"version": "1.0"}}.items():
        pq.write_table(table, folder / name, compression=name, **options)
    encodings = {"id": "DELTA_BYTE_ARRAY", "score": "BYTE_STREAM_SPLIT"}
    pq.write_table(table.cast(pa.schema([("id", pa.string()), ("score", pa.float64())])), folder / "d",
                   use_dictionary=False, column_encoding=encodings, write_page_index=True)  # fmt: skip


def jsons(folder: Path) -> None:
    values = {
        "status": {"state": "running", "epoch": 3, "step": 9, "monitor": "val/psnr", "mode": "max", "seconds": 1.5},
        "summary": {"val": {"score": 0.5, "interval": [0.1, 0.9]}, "gmacs": 1.5, "score_name": "final", "params_m": 2},
        "candidates": {
            "maker": {"checkpoint": "x"},
            "images": [
                {"id": "a/b.png", "split": "val", "domain": "wild", "size": [8, 8], "scale": 4, "seen": None}
            ],
        },
        "bank": {
            "expert": "x", "version": "1", "weights_hash": "", "sampler_hash": "", "tokens": 1, "width": 2,
            "stand_in": False, "view": {}, "dtype": "float16", "ids_hash": "0" * 16, "count": 1,
        },
        "manifest": {"pairs": {"a": {"hr": "a.png", "name": "p"}}, "wild": {"w.png": {"name": "q"}}},
    }  # fmt: skip
    for name, value in values.items():
        (folder / name).write_text(json.dumps(value, indent=2))
    lines = {
        "metrics": [{"step": 1, "epoch": 0, "val/psnr": 0.5}, {"step": 2, "epoch": 0, "val/psnr": None}],
        "labels": [{"a": 1}, ["a.mp4", 0.5, None], ["b.mp4", 0.25, 0.1]],
        "quarantine": [{"id": "a.mp4", "reason": "zero bytes", "split": "val", "time": 1.5}],
        "assess": [
            {"id": "a.mp4", "score": 1.0, "percentile": None, "seconds": 0.1, "error": "", "checkpoint": "hash"}
        ],
        "enhance": [{"id": "a.png", "source": "s", "stamp": [1, 2], "written": None, "error": None, "maker": "maker"}],
    }
    for name, rows in lines.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def weights(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    state = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.zeros(2, dtype=torch.float16)}
    save_file(state, str(folder / "a"), metadata={"format": "pt"})
    prompts = {kind: torch.ones(2, 3) for kind in ("positive", "negative", "empty")}
    save_file(prompts, str(folder / "b"), metadata={"encoder": "encoder"})
    tags = {"encoder": "encoder", "ids": json.dumps({"a.png": 0}), "keys": "[]"}
    save_file({"embeddings": torch.ones(1, 2, 3)}, str(folder / "c"), metadata=tags)
    torch.save(state, folder / "d")
    torch.save({"model_state": state, "score": np.float64(0.5)}, folder / "e")
    torch.save(state, folder / "f", _use_new_zipfile_serialization=False)


def checkpoints(folder: Path) -> None:
    import torch

    from callbacks.run_facts import KEY

    network = {"class_path": "torch.nn.Linear", "init_args": {"in_features": 2, "out_features": 3}}
    facts = {
        "model": {"class_path": "x.NAFusionTask", "init_args": {"network": network}},
        "views": {},
        "reader": "pyav",
    }
    state = {"network.weight": torch.zeros(3, 2), "network.bias": torch.zeros(3)}
    torch.save({"state_dict": state, KEY: facts}, folder / "a")
    torch.save({"state_dict": state, KEY: facts, "adapters": {"stage": "pixel", "ranks": {}}}, folder / "b")
    odd = {**facts, "model": {"init_args": {"network": {"class_path": "models.vqa.network.VQANetwork"}}}}
    torch.save({"state_dict": {}, KEY: odd}, folder / "c", _use_new_zipfile_serialization=False)


def arrays(folder: Path) -> None:
    from metrics.sr.niqe import NIQEModel, save

    np.savez(folder / "a", **{"train/1": np.ones((1, 768), np.float32), "b": np.zeros((2, 9), np.float16)})
    np.savez_compressed(folder / "b", x=np.ones((1, 768)))
    np.save(folder / "c", np.ones((1, 768), np.float32))
    save(NIQEModel("m", np.zeros(36), np.eye(36), 96, 5), folder / "d")
    lines = ["7767517", "3 3", "Input data 0 1 data", "Convolution c 1 1 data x 0=2 1=1 5=1 6=2", "PReLU p 1 1 x y 0=2"]
    (folder / "net.param").write_text("\n".join(lines) + "\n")
    (folder / "net.bin").write_bytes(bytes(4) + np.ones(2 + 2 + 2, "<f4").tobytes())


def configs(folder: Path) -> None:
    names = ("exp/kvq/mini_student", "exp/kvq/sharpmind_teacher", "model/diffusion_sr", "trainer/gpu", "data/kvq")
    for name in names:
        path = ROOT / "configs" / f"{name}.yaml"
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "bases").write_text("base: [base.yaml, base.yaml]\ntrainer: {max_epochs: 3}\n")
    (folder / "alone").write_text(
        "base: base.yaml\nmodel:\n  init_args:\n    branches: {x: null, y: &y {class_path: a.D}}\n"
    )
    (folder / "aliases").write_text("data: &a\n  init_args: {root: x}\nmodel:\n  <<: *a\npaths: {p: *a, q: [*a]}\n")


def recipes(folder: Path) -> None:
    text = (ROOT / "tests" / "configs" / "tiny_student.yaml").read_text(encoding="utf-8")
    text = text.replace("../../configs", f"{ROOT}/configs")
    (folder / "plain").write_text(text)
    interpolated = "paths: {root: data, n: 2}\ntrainer: {max_epochs: '${paths.n}'}\n"
    (folder / "named").write_text(text.replace("trainer:\n  max_epochs: 3\n  log_every_n_steps: 1\n", interpolated))
