"""Restore pictures with a trained checkpoint or a baseline: any size, one PNG for each, under --out.

Folders are searched for pictures, and results keep their relative paths. Rotation noted by a camera is applied,
transparency is enlarged along. A damaged file is listed with the reason, and the exit code is then 1. Every finished
picture is kept at once: the same command goes on where it stopped. Large pictures are cut into tiles as free memory
allows; manifest.json in --out tells with what everything was made.
"""

import argparse
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.enhance_files import plan
from records.disk import require
from records.errors import UserError, not_written
from records.files import append_line, read_rows, write_json
from records.hashing import value_hash
from records.images import (
    UnreadableImage,
    image_size,
    read_alpha,
    read_image,
    to_picture,
    to_tensor,
    write_image,
)
from records.leftovers import sweep
from records.limits import limit, raised
from records.provenance import environment
from records.results import holding, stamp

if TYPE_CHECKING:
    from models.sr.enhancer import Enhancer

JOURNAL = ".enhance.journal.jsonl"
MANIFEST = "manifest.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("path", nargs="+", type=Path, help="pictures, or folders to search")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    made_by = parser.add_mutually_exclusive_group(required=True)
    made_by.add_argument("--checkpoint", type=Path, help="best.ckpt of a fit of DiffusionSR")
    made_by.add_argument("--baseline", choices=("bicubic", "lanczos", "realesrgan"), help="in place of a checkpoint")
    parser.add_argument("--fusion", type=Path, help="best.ckpt of a fit of NAFusionTask: fuse two candidates")
    parser.add_argument("--base", help="diffusion base, where it is no longer where training found it")
    parser.add_argument("--scale", type=int, default=4, help="factor of each side; 1 keeps the size (default 4)")
    parser.add_argument("--pix", type=float, help="guidance of fidelity (default 1)")
    parser.add_argument("--sem", type=float, help="guidance of detail; 0 leaves it out (default 1)")
    parser.add_argument("--tile", type=int, help="side of the UNet's tiles in latents, or of a network's in pixels")
    parser.add_argument(
        "--colour", choices=("wavelet", "adain", "none"), help="colour fix (default wavelet; none with a baseline)"
    )
    parser.add_argument(
        "--groupnorm-stats", choices=("tile", "global"), default="tile", help="what the VAE's norms see in a tile"
    )
    parser.add_argument("--device", default="cpu", help="torch device, cpu or cuda")


def run(args: argparse.Namespace) -> int:
    """Restore every picture and return 1 when one could not be."""
    _check(args)
    files = plan(args.path, args.out)
    enhancer, made = _enhancer(args)
    maker = value_hash(made)
    sweep(args.out)
    rows = _kept(args.out, maker, files)
    if rows:
        print(f"{len(rows)} of {len(files)} were restored before")
    print(f"device {args.device}; colour fix {made['colour']['method']}; {made['by']}")
    left = {name: path for name, path in files.items() if name not in rows}
    mend = "make room, or give another --out"
    require(args.out, least_bytes(list(left.values()), args.scale), f"{len(left)} result(s)", mend)
    try:
        for row in _progress(restore_files(enhancer, left, args), len(left)):
            rows[row["id"]] = row
            append_line(args.out / JOURNAL, {**row, "maker": maker})
    finally:
        images = [rows[name] for name in files if name in rows]
        write_json(args.out / MANIFEST, {**made, "maker": maker, "environment": environment(), "images": images})
    for note in enhancer.notes:
        print(f"note: {note}")
    return _show(images, args.out)


def least_bytes(files: list[Path], scale: int) -> int:
    """About what the results take on disk at least: a byte for each pixel, where photographs take 1 to 2.6."""
    pixels = 0
    for path in files:
        with contextlib.suppress(UnreadableImage):
            height, width = image_size(path)
            pixels += height * width * scale**2
    return pixels


def restore_files(enhancer: "Enhancer", files: dict[str, Path], args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Restore files one by one.

    Args:
        enhancer: What restores.
        files: Result, relative to ``--out``, to the file that is read.
        args: The options.

    Yields:
        Rows ``id, source, stamp, written, size, tiles, seconds, error`` in the order of ``files``; stamps of what was
        read and written, ``size`` height and width of the result, ``error`` None where it was written.
    """
    from models.memory import is_out_of_memory

    for name, path in files.items():
        row: dict[str, Any] = {"id": name, "source": str(path), "stamp": stamp(path), "written": None, "size": None}
        began = time.perf_counter()
        try:
            picture = restored(enhancer, path, args)
            row["error"] = None
        except (UnreadableImage, RuntimeError, MemoryError) as error:
            if isinstance(error, RuntimeError) and not is_out_of_memory(error):
                raise
            row["error"] = " ".join(str(error).split()) or "out of memory"
        if row["error"] is None:
            try:
                write_image(args.out / name, picture)
            except OSError as error:
                raise not_written(args.out / name, error) from None
            row |= {"written": stamp(args.out / name), "size": list(picture.shape[:2])}
        row |= {"tiles": dict(enhancer.used), "seconds": round(time.perf_counter() - began, 3)}
        yield row


def restored(enhancer: "Enhancer", path: Path, args: argparse.Namespace) -> Any:
    """One picture, uint8 (height * scale, width * scale, 3 or 4).

    Raises:
        UnreadableImage: It cannot be read, or its result would be too large.
        MemoryError: It does not fit even in the smallest tiles.
    """
    import numpy as np
    import torch

    from models.sr.resample import upsample

    height, width = image_size(path)
    if height * width * args.scale**2 > (most := limit("IMAGE_PIXELS")):
        told = f"the result, {width * args.scale}x{height * args.scale}, would be over {most / 1e6:g} million pixels"
        raise UnreadableImage(f"{told}; {raised('IMAGE_PIXELS')}")
    lr = to_tensor(read_image(path))[None].to(args.device)
    if args.fusion is not None:
        out = enhancer.fused(lr, args.scale)
    else:
        pix, sem = (1.0 if value is None else value for value in (args.pix, args.sem))
        out = enhancer.restore(lr, args.scale, pix, sem)
    picture = to_picture(out[0])
    if (alpha := read_alpha(path)) is None:
        return picture
    opacity = upsample(torch.from_numpy(alpha)[None, None].float() / 255, args.scale)
    return np.concatenate([picture, opacity[0, 0, :, :, None].mul(255).round().byte().numpy()], axis=2)


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together before anything is loaded."""
    if args.scale < 1:
        raise UserError("must be at least 1", where=f"--scale {args.scale}", mend="give a whole number such as 4")
    if args.tile is not None and (args.tile < 16 or args.tile % 8):
        raise UserError("must be a multiple of 8 from 16", where=f"--tile {args.tile}", mend="try 64")
    for name in ("fusion", "base", "pix", "sem"):
        if args.baseline and getattr(args, name) is not None:
            raise UserError("has no effect on a baseline", where=f"--{name}", mend="leave it out, or give --checkpoint")
    if args.fusion is not None and not (args.pix is None and args.sem is None):
        mend = "leave out --pix and --sem, or --fusion"
        raise UserError("fuses the candidates of guidances (1, 0) and (1, 1)", where="--fusion", mend=mend)
    if args.baseline == "realesrgan" and args.scale > 4:
        raise UserError("Real-ESRGAN enlarges by up to 4", where=f"--scale {args.scale}", mend="give 1 to 4")
    if args.device != "cpu":
        import torch

        try:
            torch.empty(1, device=args.device)
        except (RuntimeError, AssertionError) as error:
            told = str(error).partition("\n")[0]
            raise UserError(f"not usable ({told})", where=f"--device {args.device}", mend="give cpu") from None


def _enhancer(args: argparse.Namespace) -> tuple["Enhancer", dict[str, Any]]:
    """What restores, and plain values that say all that its results depend on."""
    from models.sr.baselines import load_baseline
    from models.sr.colour_fix import ColourFix
    from models.sr.enhancer import Enhancer
    from models.sr.tile_runner import Tiles

    fusion, hashes = None, {}
    if args.baseline:
        try:
            model = load_baseline(args.baseline)
        except (FileNotFoundError, ValueError) as error:
            what, _, mend = str(error).partition("; ")
            mend = mend or "install the package of its weights again"
            raise UserError(what, where=f"--baseline {args.baseline}", mend=mend) from None
        tiles = Tiles(groupnorm_stats=args.groupnorm_stats, **({} if args.tile is None else _pixels(args.tile)))
    else:
        from runtime.load_enhancer import load_diffusion, load_fusion

        loaded = load_diffusion(args.checkpoint, args.base)
        model, hashes["checkpoint"] = loaded.network, loaded.hash
        if args.fusion is not None:
            if loaded.stage != "semantic":
                mend = "give a checkpoint of stage semantic"
                raise UserError("has one candidate, and a fusion needs two", where=str(args.checkpoint), mend=mend)
            fused = load_fusion(args.fusion)
            fusion, hashes["fusion"] = fused.network.to(args.device), fused.hash
        tiles = Tiles(latent=args.tile, groupnorm_stats=args.groupnorm_stats)
    colour = ColourFix(args.colour or ("none" if args.baseline else "wavelet"))
    enhancer = Enhancer(model.to(args.device), fusion, tiles, colour)
    by = args.baseline or ("fusion of two candidates" if fusion is not None else "one-step diffusion")
    guidance = {"pix": 1.0 if args.pix is None else args.pix, "sem": 1.0 if args.sem is None else args.sem}
    made = {"by": by, "hashes": hashes, "scale": args.scale, "guidance": None if args.baseline or fusion else guidance}
    return enhancer, {**made, **enhancer.facts(), "device": args.device}


def _pixels(tile: int) -> dict[str, Any]:
    """A given side holds for pictures of any size."""
    return {"pixels": tile, "whole": 0}


def _kept(out: Path, maker: str, files: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """Rows of an earlier call that still hold, and had no error."""
    rows = holding(read_rows(out / JOURNAL), maker, out, {name: [path] for name, path in files.items()})
    for row in rows.values():
        del row["maker"]
    return {
        name: row
        for name, row in rows.items()
        if isinstance(row.get("seconds"), float | int) and isinstance(row.get("tiles"), dict) and not row.get("error")
    }


def _progress(rows: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    from rich.progress import track

    yield from track(rows, total=total, description="restoring", transient=True)


def _show(rows: list[dict[str, Any]], out: Path) -> int:
    """Tell what was cut, how long it took and what failed; 1 where something did."""
    failed = [row for row in rows if row["error"]]
    done = [row for row in rows if not row["error"]]
    for row in failed:
        print(f"{row['source']}: {row['error']}")
    cut = sorted({(stage, use["tile"], use["overlap"]) for row in done for stage, use in row["tiles"].items()})
    shown = [f"{stage} {tile} overlapping by {overlap}" for stage, tile, overlap in cut if tile]
    print(f"tiles: {', '.join(shown) or 'none, every picture in one piece'}")
    mean = f", {sum(row['seconds'] for row in done) / len(done):.2f} s each" if done else ""
    print(f"{len(done)} restored{mean}, {len(failed)} with errors; in {out}")
    return 1 if failed else 0
