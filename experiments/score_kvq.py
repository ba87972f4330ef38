"""Official scores of predicted video quality, with intervals and published figures beside them.

Correlations are those of the raw predictions. The intervals come from 2000 draws of whole contents.
"""

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from records.errors import UserError, not_written
from records.files import write_json
from records.labels import Label, read_labels
from records.pairs import KINDS, Pair, read_pairs
from records.predictions import read_predictions

if TYPE_CHECKING:
    from metrics.bootstrap import Interval
    from metrics.rank_pairs import RankAccuracy

_NAMES = {
    "srocc": "SROCC",
    "plcc": "PLCC, raw",
    "plcc_fit4": "PLCC after a 4-parameter fit",
    "krocc": "KROCC",
    "rmse": "RMSE, label units",
    "rank_nonsource": "rank accuracy, two contents",
    "rank_source": "rank accuracy, one content",
    "final": "final",
    "final_no_rank": "(SROCC + PLCC) / 2",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``score kvq``."""
    parser.add_argument(
        "--predictions",
        nargs="+",
        required=True,
        metavar="FILE",
        type=Path,
        help="Parquet of a run or CSV filename,score; several files are pooled (folds)",
    )
    parser.add_argument("--labels", required=True, metavar="FILE", type=Path, help="CSV filename,score[,group][,split]")
    parser.add_argument(
        "--pairs", metavar="FILE", type=Path, help="official workbook (xlsx) or CSV kind,video1,video2,rank"
    )
    parser.add_argument("--split", metavar="NAME", help="score only this split of the labels, and the pairs within it")
    parser.add_argument("--json", metavar="OUT", type=Path, help="write the scores here; null where not computable")


def score_kvq(args: argparse.Namespace) -> int:
    """Score predictions of video quality."""
    labels = labels_of_split(args.labels, args.split)
    predictions = matched(args.predictions, labels, args.split)
    pairs = pairs_of(args.pairs, labels, args) if args.pairs else []
    scores, intervals, ranks = evaluate(labels, predictions, pairs)
    report(args, labels, scores, intervals, ranks)
    if args.json:
        try:
            write_json(args.json, {**scores, "interval": intervals["final"]})
        except OSError as error:
            raise not_written(args.json, error) from None
    return 0


def labels_of_split(path: Path, split: str | None) -> list[Label]:
    """Labels to score against, all with a score.

    Raises:
        UserError: The table cannot be read, has no such split, or labels in it have no score.
    """
    labels = read_labels(path, allow_missing_scores=split is not None)
    if split is None:
        return labels
    chosen = [label for label in labels if label.split == split]
    if not chosen:
        found = ", ".join(sorted({label.split or "(none)" for label in labels}))
        raise UserError(f"has no split {split!r}", where=str(path), mend=f"its splits are {found}")
    sealed = [label.id for label in chosen if label.score is None]
    if sealed:
        told = _told(sealed, "label has no score", "labels have no score")
        raise UserError(told, where=str(path), mend="score them, or name another --split")
    return chosen


def matched(paths: Sequence[Path], labels: Sequence[Label], split: str | None = None) -> dict[str, float]:
    """One finite prediction for each label, of all files together.

    With ``split``, rows that say they are of another one are passed over: a run keeps all its splits in one table.

    Raises:
        UserError: Predictions are missing, of no labelled file, twice there, or not finite; names the files.
    """
    rows = [row for path in paths for row in read_predictions(path) if split is None or row.split in (None, split)]
    times, wanted = Counter(row.id for row in rows), {label.id: label for label in labels}
    missing = [name for name in wanted if name not in times]
    extra = [name for name in times if name not in wanted]
    faults = [
        _told(missing, "labelled file has no prediction", "labelled files have no prediction"),
        _told(extra, "prediction is of no labelled file", "predictions are of no labelled file"),
        _told([name for name in times if times[name] > 1], "file is predicted twice", "files are predicted twice"),
        _told(
            list(dict.fromkeys(row.id for row in rows if not math.isfinite(row.prediction))),
            "prediction is not finite",
            "predictions are not finite",
        ),
    ]
    if any(faults):
        splits = sorted({label.split for label in labels if label.split})
        one_split = f"the labels hold the splits {', '.join(splits)}: name one by --split"
        mend = one_split if len(splits) > 1 else "give one finite number for each labelled file, and no other"
        text = ", and ".join(fault for fault in faults if fault)
        raise UserError(text, where=", ".join(map(str, paths)), mend=mend)
    return {row.id: row.prediction for row in rows}


def pairs_of(path: Path, labels: Sequence[Label], args: argparse.Namespace) -> list[Pair]:
    """Pairs among the labelled files; with ``--split``, pairs that lie wholly in another split are passed over.

    Raises:
        UserError: The file cannot be read, holds no pair of a kind, or names files that are not scored.
    """
    here = {label.id for label in labels}
    elsewhere = (
        set() if args.split is None else {label.id for label in read_labels(args.labels, allow_missing_scores=True)}
    )
    pairs = [pair for pair in read_pairs(path) if not {pair.first, pair.second} <= elsewhere - here]
    unknown = dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second) if name not in here)
    if unknown:
        told = _told(list(unknown), "file is not scored", "files are not scored")
        raise UserError(told, where=str(path), mend="write names as the labels do, or name the --split of the pairs")
    for kind in KINDS:
        if all(pair.kind != kind for pair in pairs):
            told = f"holds no {kind} pair of the files scored, so there is no final score"
            raise UserError(told, where=str(path), mend="leave --pairs out to score without ranks")
    return pairs


def evaluate(
    labels: Sequence[Label], predictions: dict[str, float], pairs: Sequence[Pair]
) -> "tuple[dict[str, Any], dict[str, Interval | None], dict[str, RankAccuracy]]":
    """Scores by name (None where not computable), their 95 % intervals, and the rank accuracies.

    Without pairs the rank accuracies are proxies made from the labels; they enter no score.
    """
    import numpy as np

    from metrics import correlation
    from metrics.bootstrap import SCORES, ContentBootstrap, interval
    from metrics.challenge import final_no_rank, final_score
    from metrics.rank_pairs import accuracy_of, proxy_pairs

    target = np.array([label.score for label in labels], np.float64)
    prediction = np.array([predictions[label.id] for label in labels])
    content = [label.content for label in labels]
    place = {label.id: index for index, label in enumerate(labels)}
    by_kind = [
        np.array([(place[p.first], place[p.second], p.rank) for p in pairs if p.kind == kind], np.int64).reshape(-1, 3)
        for kind in KINDS
    ]
    ranks: dict[str, RankAccuracy] = {
        kind: accuracy_of(prediction[table[:, 0]], prediction[table[:, 1]], table[:, 2])
        for kind, table in zip(KINDS, by_kind if pairs else proxy_pairs(target, content), strict=True)
    }
    values = {
        name: getattr(correlation, name)(prediction, target) for name in ("srocc", "plcc", "plcc_fit4", "krocc", "rmse")
    }
    for kind in KINDS:
        values[f"rank_{kind}"] = ranks[kind].accuracy if pairs else math.nan
    parts = [values[name] for name in ("srocc", "plcc", "rank_nonsource", "rank_source")]
    values |= {"final": final_score(*parts), "final_no_rank": final_no_rank(*parts[:2])}
    scores = {"n": len(labels), **{name: value if math.isfinite(value) else None for name, value in values.items()}}

    intervals: dict[str, Interval | None] = dict.fromkeys(SCORES)
    if len(set(content)) > 1:
        draws = ContentBootstrap(target, content, (by_kind[0], by_kind[1]) if pairs else None).scores(prediction)
        intervals |= {name: interval(draws[name]) for name in SCORES if scores[name] is not None}
    return scores, intervals, ranks


def report(
    args: argparse.Namespace,
    labels: Sequence[Label],
    scores: dict[str, Any],
    intervals: "dict[str, Interval | None]",
    ranks: "dict[str, RankAccuracy]",
) -> None:
    """Print our scores, and the published ones beside them."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from metrics.published import KVQ, KVQ_TEST, KVQ_TEST_IDS, beside

    same_data = {label.id for label in labels} == KVQ_TEST_IDS
    contents = len({label.content for label in labels})
    data = KVQ_TEST if same_data else f"{args.labels.name}{f', split {args.split}' if args.split else ''}"
    console = Console(soft_wrap=True)

    ours = Table(title=f"{data}: {len(labels)} files, {contents} contents", title_justify="left")
    for column in ("score", "value", "95 % interval", "pairs", "ties"):
        ours.add_column(column, justify="left" if column == "score" else "right")
    for name, told in _NAMES.items():
        rank = ranks.get(name.removeprefix("rank_")) if args.pairs else None
        counts = (str(rank.n), str(rank.ties)) if rank else ("", "")
        ours.add_row(told, _figure(scores[name]), _range(intervals.get(name)), *counts)
    if not args.pairs:
        for kind, rank in ranks.items():
            ours.add_row(f"proxy of rank accuracy, {kind}", _figure(rank.accuracy), "", str(rank.n), str(rank.ties))
    console.print(ours)
    if not args.pairs:
        console.print("No rank pairs: no final score. The proxies come from pairs of labels and enter no score.")
    if scores["srocc"] is None or scores["plcc"] is None:
        console.print("No correlation: all predictions or all labels are equal, or there are fewer than two.")
    if contents < 10:
        console.print(f"The intervals rest on {contents} contents: take them as rough.")

    columns = ("srocc", "plcc", "rank_nonsource", "rank_source", "final")
    table = Table(title=f"Published, on {KVQ_TEST}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("", "SROCC", "PLCC", "2 contents", "1 content", "final", "beside ours"):
        table.add_column(column, justify="left" if column in ("", "beside ours") else "right")
    for row in KVQ:
        figures = (row.srocc, row.plcc, row.rank_nonsource, row.rank_source)
        final = f"> {row.final:g}" if row.at_least else f"{row.final:g}"
        words = beside(row, intervals["final"], same_data)
        table.add_row(f"{row.system} ({row.year})", *map(_figure, figures), final, words)
    table.add_section()
    table.add_row("ours", *(_figure(scores[name]) for name in columns))
    for end, told in enumerate(("from", "to")):
        ends = (_figure(found[end] if (found := intervals[name]) else None) for name in columns)
        table.add_row(f"  95 % {told}", *ends)
    console.print(table)
    if same_data:
        console.print(
            "Not ranked: inside our interval, where a gap may be chance, or one of the two has no final score."
        )
    else:
        console.print(f"Ours is on other data ({data}) than the published figures: they rank neither above nor below.")
    console.print("Sources: " + "; ".join(dict.fromkeys(row.source for row in KVQ)) + ".")


def _told(names: list[str], one: str, many: str) -> str:
    """``3 files ... (a, b, c)``, at most ten of them named; empty without names."""
    from metrics.rank_pairs import listing

    return f"{len(names)} {one if len(names) == 1 else many} ({listing(names)})" if names else ""


def _figure(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _range(interval: "Interval | None") -> str:
    return "" if interval is None else f"{interval[0]:.4f} .. {interval[1]:.4f}"
