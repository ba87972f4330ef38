"""Official score of super-resolved pictures; checks, packs and shows a submission.

Folders hold `synthetic/` and `wild/`; pictures are matched by base name. PSNR, SSIM and LPIPS are means over the
synthetic pictures, MUSIQ, MANIQA and CLIPIQA over the wild ones, PIQE and NIQE over all. Where a term is missing the
sum is called a partial score, which compares with no whole one.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from records.errors import UserError, not_written
from records.files import write_json

if TYPE_CHECKING:
    from experiments.score_kwaisr.folders import Files, Item


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``score kwaisr``."""
    add = parser.add_argument
    add("--submission", metavar="DIR", type=Path, help="pictures to judge: synthetic/ and wild/")
    add("--truth", metavar="DIR", type=Path, help="originals: synthetic/ and wild/, or a split folder of KwaiSR")
    add("--lr", metavar="DIR", type=Path, help="inputs, for --html and for sizes where no originals are known")
    add("--scale", metavar="N", type=int, default=4, help="sides of a synthetic picture over its input's (4)")
    add("--preset", choices=("official", "rgb"), default="official", help="luma less 4 pixels a side, or plain RGB")
    add("--metrics", nargs="+", metavar="NAME", help="metrics to compute; all that can be computed if left out")
    add("--weights", nargs="+", metavar="NAME=FILE", default=[], help="local checkpoints of lpips, musiq, ...")
    add("--allow-download", action="store_true", help="let pyiqa fetch weights that are not on this machine")
    add("--niqe", metavar="FILE", type=Path, help="fitted NIQE model (npz)")
    add("--fit-niqe", metavar="DIR", type=Path, help="fit that model on the good pictures of a folder first")
    add("--beside", nargs="+", metavar="NAME=DIR", default=[], help="other systems' pictures, scored and shown beside")
    add("--json", metavar="OUT", type=Path, help="write the scores here")
    add("--csv", metavar="OUT", type=Path, help="write the scores of every picture here")
    add("--html", metavar="OUT", type=Path, help="write one page to compare pictures on; it needs no network")
    add("--html-images", metavar="N", type=int, default=9, help="pictures on that page: worst, middle and best (9)")
    add("--pack", metavar="DIR|FILE.zip", type=Path, help="write the checked submission with its readme")
    add("--runtime", metavar="SECONDS", type=float, help="for the readme: runtime an image")
    add("--device", metavar="NAME", default="", help="for the readme: device that the runtime is of")
    add("--extra-data", action="store_true", help="for the readme: other data than the challenge's was trained on")
    add("--remark", metavar="TEXT", default="", help="for the readme: anything else")


def score_kwaisr(args: argparse.Namespace) -> int:
    """Fit, check, score, pack and show, as asked; returns the exit code."""
    if args.fit_niqe:
        from experiments.score_kwaisr.niqe_model import fit_model

        fit_model(args.fit_niqe, args.niqe)
        if not args.submission:
            return 0
    if not args.submission:
        raise UserError("is missing", where="--submission", mend="name the folder that holds synthetic/ and wild/")
    from experiments.score_kwaisr.folders import match

    wanted, lr = _wanted(args)
    items = match(args.submission, wanted, lr, args.truth or args.lr, args.scale)
    if args.truth:
        _score(args, items, wanted, lr)
    if args.pack:
        from experiments.score_kwaisr.pack import Readme, pack

        written = pack(args.pack, items, Readme(args.runtime, args.device, args.extra_data, args.remark))
        print(f"packed: {written}")
    return 0


def _wanted(args: argparse.Namespace) -> "tuple[Files, Files]":
    """Originals (inputs where none are known), and inputs, as far as folders were named."""
    from experiments.score_kwaisr.folders import files_of

    if args.truth:
        truth = files_of(args.truth)
        if args.lr:
            return truth, files_of(args.lr, "lr")
        whole_split = (args.truth / "synthetic" / "lr").is_dir()
        return truth, files_of(args.truth, "lr") if whole_split else {}
    if args.lr and args.pack:
        lr = files_of(args.lr, "lr")
        return lr, lr
    mend = "name the folder of the originals, or pack without scores by --pack and --lr"
    raise UserError("is missing", where="--truth", mend=mend)


def _score(args: argparse.Namespace, items: "list[Item]", wanted: "Files", lr: "Files") -> None:
    from experiments.score_kwaisr.folders import match
    from experiments.score_kwaisr.niqe_model import load_model
    from experiments.score_kwaisr.scoring import build_all, learned_distances, score_items
    from experiments.score_kwaisr.summary import provenance, summarise
    from experiments.score_kwaisr.tables import print_tables, write_table
    from metrics.sr.full_reference import PRESETS
    from metrics.sr.registry import DEFAULT, Sources

    convention = PRESETS[args.preset]
    model, told_of_model = load_model(args.niqe) if args.niqe else (None, None)
    sources = Sources(convention, model, weight_files(args.weights), learned_distances(), args.allow_download)
    metrics = build_all(args.metrics or DEFAULT, sources)
    if args.metrics and metrics.missing:
        what = next(iter(metrics.missing.values()))
        raise UserError(what, where="--metrics", mend="or leave it out of --metrics")
    systems = {"submission": items}
    for name, folder in _pairs(args.beside, "--beside").items():
        if name in ("submission", "LR", "HR"):
            raise UserError(f"{name!r} is taken", where="--beside", mend="choose another name")
        systems[name] = match(Path(folder), wanted, lr, args.truth, args.scale)
    values = {name: score_items(found, metrics.scorers) for name, found in systems.items()}
    scores = {name: summarise(found, values[name]) for name, found in systems.items()}
    facts = provenance(metrics, values["submission"], args.preset, str(convention), told_of_model)
    print_tables(scores, facts, metrics.missing)
    report: dict[str, Any] = {**scores["submission"], **facts}
    if len(scores) > 1:
        report["beside"] = {name: found for name, found in scores.items() if name != "submission"}
    try:
        if args.json:
            write_json(args.json, report)
        if args.csv:
            write_table(args.csv, systems, values, facts)
        if args.html:
            from experiments.score_kwaisr.page import write_page

            write_page(args.html, systems, values, scores, facts, args.html_images)
    except OSError as error:
        raise not_written(error.filename, error) from None


def weight_files(words: Sequence[str]) -> dict[str, Path]:
    """Local checkpoints by metric.

    Raises:
        UserError: A word is not NAME=FILE, no metric of the name takes weights, or the file is not there.
    """
    from metrics.sr.registry import METRICS

    files = {name: Path(file) for name, file in _pairs(words, "--weights").items()}
    for name, file in files.items():
        if name not in METRICS or not METRICS[name].requires or name == "niqe":
            takers = ", ".join(name for name, metric in METRICS.items() if metric.requires and name != "niqe")
            raise UserError(f"no metric {name!r} takes weights", where="--weights", mend=f"these do: {takers}")
        if not file.is_file():
            raise UserError("no such file", where=f"--weights {name}={file}", mend="mend the path")
    return files


def _pairs(words: Sequence[str], option: str) -> dict[str, str]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise UserError(f"{word!r} is not NAME=PATH", where=option, mend="write a name, =, and a path")
        found[name] = value
    return found
