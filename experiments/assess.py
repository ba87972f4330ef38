"""Score videos with a trained checkpoint: one video a forward, the same score in any order.

Folders are searched for video files. Scores are in the units of the labels the network was trained on; the percentile
is the share of training labels at or below the score. A damaged file gets an error and no score, and the exit code is
then 1. Where memory runs out, fewer frames go through a network at a time, and a warning says so. With --out, every
finished score is kept at once, and the same command goes on where it stopped.
"""

import argparse
import bisect
import csv
import io
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from records.errors import UserError
from records.files import append_line, atomic_path, read_rows, write_text
from records.leftovers import sweep
from records.places import check_name
from records.results import stamp

if TYPE_CHECKING:
    from runtime.build import Scorer

COLUMNS = ("id", "score", "percentile", "seconds", "error")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("path", nargs="+", type=Path, help="video files, or folders to search")
    parser.add_argument("--checkpoint", type=Path, required=True, help="best.ckpt of a run")
    parser.add_argument("--out", type=Path, help="table to write, .csv or .parquet; resumable")
    parser.add_argument("--workers", type=int, default=0, help="decoding processes; the scores do not depend on it")
    parser.add_argument("--device", default="cpu", help="torch device, cpu or cuda")


def run(args: argparse.Namespace) -> int:
    """Score every file and return 1 when one could not be read."""
    if args.out and args.out.suffix not in (".csv", ".parquet"):
        raise UserError("ends neither in .csv nor .parquet", where=f"--out {args.out}", mend="choose one of them")
    from datamodules.video_files import find_videos
    from runtime.build import load_scorer

    files = {check_name(path).as_posix(): path for path in find_videos(args.path)}

    if args.out:
        sweep(args.out.parent, below=False)
    scorer = load_scorer(args.checkpoint)
    rows = dict(_kept(args.out, scorer.hash, files)) if args.out else {}
    left = {id: path for id, path in files.items() if id not in rows}
    if rows:
        print(f"{len(rows)} of {len(files)} were scored before")
    for row in _progress(score_videos(scorer, left, args.workers, args.device), len(left)):
        rows[row["id"]] = row
        if args.out:
            append_line(_journal(args.out), {**row, "stamp": stamp(files[row["id"]]), "checkpoint": scorer.hash})
    table = [rows[id] for id in files]
    if args.out:
        write_table(args.out, table)
    _show(table, args.out)
    return 1 if any(row["error"] for row in table) else 0


def score_videos(scorer: "Scorer", files: dict[str, Path], workers: int, device: str) -> Iterator[dict[str, Any]]:
    """Score files one by one, decoding ahead in ``workers`` processes.

    Args:
        scorer: Network, views and reader.
        files: Id to path.
        workers: Decoding processes; 0 decodes in this one.
        device: Torch device of the network.

    Yields:
        Rows ``id, score, percentile, seconds, error`` in the order of ``files``.
    """
    import torch
    from torch.utils.data import DataLoader

    from datamodules.clip_files import ClipFiles
    from models.memory import is_out_of_memory
    from models.vqa.passes import Passes

    network = scorer.network.to(device)
    passes = Passes(network)
    known = scorer.facts.get("train_scores") or []
    clips = ClipFiles(files, scorer.views, scorer.reader)
    for item in DataLoader(clips, batch_size=None, num_workers=workers):
        row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"id": item["id"], "error": item["error"]}
        began = time.perf_counter()
        if not item["error"]:
            try:
                with torch.inference_mode():
                    views = {name: view[None].to(device) for name, view in item["views"].items()}
                    row |= _judged(float(passes(network, views)[0]), known)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                row["error"] = " ".join(str(error).split()) or "out of memory"
        row["seconds"] = round(item["seconds"] + time.perf_counter() - began, 4)
        yield row


def _judged(score: float, known: list[float]) -> dict[str, Any]:
    if not math.isfinite(score):
        return {"error": f"the network made a score of {score}"}
    return {
        "score": score,
        "percentile": round(100 * bisect.bisect_right(known, score) / len(known), 2) if known else None,
    }


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as CSV or Parquet, atomically."""
    if path.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(path, text.getvalue())
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"id": pa.string(), "error": pa.string()}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS])
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pylist([{name: row[name] for name in COLUMNS} for row in rows], schema), temporary)


def _journal(out: Path) -> Path:
    return out.with_name(f".{out.name}.journal.jsonl")


def _kept(out: Path, checkpoint: str, files: dict[str, Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of an earlier call that still hold: same checkpoint, same file, no error."""
    for row in read_rows(_journal(out)):
        path = files.get(str(row.get("id")))
        sound = all(isinstance(row.get(name), float | int) for name in ("score", "seconds"))
        sound = sound and isinstance(row.get("percentile"), float | int | None)
        if path and sound and row.get("checkpoint") == checkpoint and row.get("stamp") == stamp(path):
            if not row.get("error"):
                yield row["id"], {name: row.get(name) for name in COLUMNS}


def _progress(rows: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    from rich.progress import track

    yield from track(rows, total=total, description="scoring", transient=True)


def _show(rows: list[dict[str, Any]], out: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("video", "score", "percentile", "error")
    for row in rows if len(rows) <= 20 else [row for row in rows if row["error"]][:20]:
        score = "" if row["score"] is None else f"{row['score']:.3f}"
        rank = "" if row["percentile"] is None else f"{row['percentile']:.0f}"
        table.add_row(row["id"], score, rank, row["error"] or "")
    if table.row_count:
        console.print(table)
    failed = sum(bool(row["error"]) for row in rows)
    console.print(f"{len(rows) - failed} scored, {failed} with errors" + (f"; table: {out}" if out else ""))
