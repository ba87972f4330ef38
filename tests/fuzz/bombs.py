"""Small files that claim or unpack to a great deal, each given to its reader with little memory to spend."""

import io
import json
import os
import resource
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

# Far below what any of the bombs would take.
MEMORY = 384 << 20
HALF_A_GIGABYTE = bytes(1 << 29)


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(bytes(1 << 20))), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + body


@cache
def pictures() -> dict[str, bytes]:
    from PIL import Image

    small, held = Image.new("RGB", (8, 8)), {}
    for name in ("JPEG", "TIFF", "BMP", "GIF", "WEBP"):
        out = io.BytesIO()
        small.save(out, name, **({"lossless": True} if name == "WEBP" else {}))
        held[name] = bytearray(out.getvalue())
    place = held["JPEG"].index(b"\xff\xc0") + 5
    held["JPEG"][place : place + 4] = struct.pack(">HH", 65500, 65500)
    for tag in (b"\x00\x01", b"\x01\x01"):  # width and height
        place = held["TIFF"].index(tag + b"\x04\x00") + 8 if tag + b"\x04\x00" in held["TIFF"] else 0
        held["TIFF"][place : place + 4] = struct.pack("<I", 90_000)
    held["BMP"][18:26] = struct.pack("<ii", 60_000, 60_000)
    held["GIF"][6:10] = struct.pack("<HH", 65_535, 65_535)
    text = zlib.compress(bytes(100 << 20))
    return {
        "wide.png": png(60_000, 60_000),
        "tall.png": png(1, 2_000_000_000),
        "wide.jpg": bytes(held["JPEG"]),
        "wide.tif": bytes(held["TIFF"]),
        "wide.bmp": bytes(held["BMP"]),
        "wide.gif": bytes(held["GIF"]),
        "text.png": png(8, 8, (b"zTXt", b"Comment\0\0" + text)),
        "profile.png": png(8, 8, (b"iCCP", b"p\0\0" + text)),
        "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch made) (w) file\n",
    }


def videos() -> dict[str, bytes]:
    wide = pictures()["wide.jpg"]
    frame = b"FRAME\n" + bytes(64 * 48 * 3 // 2)
    return {
        "wide.y4m": b"YUV4MPEG2 W60000 H60000 F25:1 Ip A1:1 C420\n" + frame,
        "photo.mp4": wide,
        "long.y4m": b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420\n" + frame * 40,  # with a limit of 30
    }


def archive(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, data in files.items():
            file.writestr(name.replace("__", "/"), data)
    return out.getvalue()


def workbooks() -> dict[str, bytes]:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "nonsource"
    book.create_sheet("source")
    for sheet in book.worksheets:
        sheet.append(["a.mp4", "b.mp4", 1])
    out = io.BytesIO()
    book.save(out)
    with zipfile.ZipFile(out) as whole:
        files = {name: whole.read(name) for name in whole.namelist()}
    name = "xl/worksheets/sheet1.xml"
    far = files[name].replace(b'<row r="1"', b'<row r="2000000000"').replace(b'"A1"', b'"A2000000000"')
    levels = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 12))
    lol = f"<!DOCTYPE x [<!ENTITY e0 '{'x' * 100}'>{levels}]>".encode()
    laughs = (
        files[name].replace(b"<worksheet", lol + b"<worksheet", 1).replace(b"<sheetData>", b"<x>&e11;</x><sheetData>")
    )

    def packed(**more: bytes) -> bytes:
        return archive(**{key.replace("/", "__"): value for key, value in {**files, **more}.items()})

    return {
        "large.xlsx": packed(**{name: files[name] + HALF_A_GIGABYTE}),
        "far.xlsx": packed(**{name: far}),
        "laughs.xlsx": packed(**{name: laughs}),
    }


def tables(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    word = pa.array(["x" * 1_000_000])
    rows = 20_000
    ids = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), word)
    pq.write_table(pa.table({"id": ids, "score": pa.array([0.0] * rows)}), folder / "words.parquet", compression="zstd")
    many = pa.table({"id": pa.array([0] * 1000, pa.int32()).cast(pa.string()), "score": [0.0] * 1000})
    pq.write_table(many, folder / "many.parquet")  # with a limit of 999 rows
    with open(folder / "large.csv", "wb") as sparse:
        sparse.truncate(5 << 30)
    (folder / "deep.json").write_bytes(b"[" * 5_000_000)
    (folder / "deep.yaml").write_bytes(b"a: " + b"[" * 100_000)
    laughs = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (folder / "laughs.yaml").write_text("\n".join(laughs))
    merges = ["a0: &a0 {k: 1}"] + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    (folder / "merges.yaml").write_text("\n".join(merges))
    (folder / "round.yaml").write_text("a: &a [*a]\n")


def others(folder: Path) -> None:
    import numpy as np
    import torch

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 768)})
    (folder / "claims.npy").write_bytes(header.getvalue() + bytes(100))
    (folder / "claims.npz").write_bytes(archive(x=header.getvalue() + bytes(100)))
    torch.save({"state_dict": {"x": torch.zeros(2)}}, folder / "sound.ckpt")
    with zipfile.ZipFile(folder / "sound.ckpt") as old:
        files = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(folder / "packed.ckpt", "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in files.items():
            new.writestr(name, bytes(1 << 26) if name.endswith("data/0") else data)


def cases(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Name of each bomb, and what reads it."""
    from datamodules.video.reader import VideoReader
    from experiments.features.sources import read_array, read_array_of
    from models.vqa.weights import read_state
    from records.checkpoints import read_checkpoint
    from records.files import read_json, read_lines
    from records.images import image_size, read_image
    from records.labels import read_labels
    from records.pairs import read_pairs
    from records.predictions import read_predictions
    from runtime.layers import read_config

    def video(path: Path) -> None:
        with VideoReader(path) as reader:
            next(reader.pictures([0, len(reader.timeline) - 1])).rgb()

    for name in pictures():
        for read in (image_size, read_image):
            yield f"{name} {read.__name__}", lambda name=name, read=read: read(folder / name)
    for name in videos():
        yield name, lambda name=name: video(folder / name)
    for name in workbooks():
        yield name, lambda name=name: read_pairs(folder / name)
    for name in ("words.parquet", "many.parquet"):
        yield name, lambda name=name: read_predictions(folder / name)
    yield "large.csv", lambda: read_labels(folder / "large.csv")
    yield "large.json", lambda: read_json(folder / "large.csv")
    yield "large.jsonl", lambda: read_lines(folder / "large.csv")
    yield "deep.json", lambda: read_json(folder / "deep.json")
    for name in ("deep.yaml", "laughs.yaml", "merges.yaml", "round.yaml"):
        yield name, lambda name=name: read_config(folder / name)
    yield "claims.npy", lambda: read_array(folder / "claims.npy")
    yield "claims.npz", lambda: read_array_of(folder / "claims.npz", "x")
    yield "packed.ckpt", lambda: read_checkpoint(folder / "packed.ckpt", "--checkpoint")
    yield "packed.ckpt as weights", lambda: read_state(folder / "packed.ckpt")
    os.mkfifo(folder / "pipe")
    for read in (read_labels, read_json, read_image, image_size, read_pairs, read_predictions, read_config, video):
        yield f"pipe {read.__name__}", lambda read=read: read(folder / "pipe")


def main(folder: Path) -> None:
    """Make the bombs, and print what became of each."""
    warnings.simplefilter("ignore")
    for made in (pictures(), videos(), workbooks()):
        for name, data in made.items():
            (folder / name).write_bytes(data)
    tables(folder)
    others(folder)
    os.environ.update(SUGC_MAX_VIDEO_FRAMES="30", SUGC_MAX_TABLE_ROWS="1000000")
    todo = list(cases(folder))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for name, read in todo:
        if name == "many.parquet":
            os.environ["SUGC_MAX_TABLE_ROWS"] = "999"
        try:
            told = f"read: {str(read())[:60]}"
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
        print(json.dumps([name, told]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
