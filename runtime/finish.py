"""The end of a command: summary, the one screen, and the page of all runs."""

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from records.feature_bank import stand_in_note
from records.files import read_json
from records.provenance import environment
from runtime.end_screen import Ending, show, with_change, with_interval
from runtime.record import read_metrics
from runtime.run_index import refresh_index
from runtime.status import read_status
from runtime.summary import Judged, compare, judged, update_summary

if TYPE_CHECKING:
    from runtime.cli import CLI

SPLITS = {"fit": "val", "validate": "val", "test": "test", "predict": "predict"}


def finish(cli: "CLI", seconds: float | None = None) -> None:
    """Write the summary of what just ended, show it, and rewrite ``runs/index.html``; rank zero only.

    Args:
        cli: The command line that ran.
        seconds: Wall time of the fit.
    """
    command, folder = str(cli.subcommand), cli.run_folder.path
    split = SPLITS[command]
    data = cli.trainer.datamodule  # type: ignore[attr-defined]
    data.setup({"fit": "validate"}.get(command, command))
    ours = judged(folder, split, data.pairs(split) if split != "predict" else [])
    values = _figures(cli, ours, split, seconds)
    for callback in cli.trainer.callbacks:  # type: ignore[attr-defined]
        values |= getattr(callback, "figures", {})
    update_summary(folder, values)
    ending = Ending(folder, f"{command} finished", _told(cli, ours, values, split), _worst(ours, data), _next(cli))
    show(ending)
    refresh_index(cli.run_folder.root)


def tell_finished(cli: "CLI") -> None:
    """Say that a run is done already, with its score."""
    folder = cli.run_folder.path
    try:
        summary = read_json(folder / "summary.json")
    except (OSError, ValueError):
        summary = {}
    told = {"state": f"finished after {read_status(cli.run_folder.status).get('epoch', '?')} epochs; nothing to do"}
    score = (summary.get("val") or {}).get("score")
    if score is not None:
        told["validation score"] = f"{score:.4f}"
    told["to train on"] = "raise --trainer.max_epochs"
    told["to begin anew"] = "add --restart"
    show(Ending(folder, "nothing to do", told, next=_next(cli)))


def _figures(cli: "CLI", ours: Judged, split: str, seconds: float | None) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "experiment": cli.run_folder.experiment,
        "variant": cli.run_folder.variant,
        "seed": cli.run_folder.seed,
        "score_name": {"final": "final", "final_no_rank": "(SROCC + PLCC) / 2"}[ours.score_name],
        "split_hash": cli.trainer.datamodule.split_hash,  # type: ignore[attr-defined]
        "transductive": bool(getattr(cli.model, "transductive", False)),
        **_origins(cli.model),
        "stand_ins": cli.trainer.datamodule.stand_ins,  # type: ignore[attr-defined]
        "status": read_status(cli.run_folder.status).get("state"),
        **_course(cli),
        **{name: cli.model.efficiency.get(name) for name in ("gmacs", "gflops", "params_m", "activation_mb")},
        "git": environment().get("git"),
        "updated": time.time(),
    }
    if seconds is not None:
        figures |= {"fit_seconds": round(seconds + cli.status.before, 1), "epochs": cli.trainer.current_epoch}
    if ours.rows:
        bootstrap, prediction = ours.draws()
        whole = bootstrap.whole(prediction)
        known = {name: value for name, value in whole.items() if value == value}
        figures[split] = {
            **known,
            "n": len(ours.rows),
            "score": known.get(ours.score_name),
            "interval": ours.interval(),
        }
    return figures


def _origins(model: Any) -> dict[str, Any]:
    """The checkpoint that the fit began with and the pool that it learnt from, where it did."""
    found = {"began_from": getattr(model, "began_from", {}), "pool": getattr(model, "pool_facts", {})}
    return {name: facts for name, facts in found.items() if facts}


def _course(cli: "CLI") -> dict[str, Any]:
    """Best and last validation of the fit."""
    monitor = str(cli.model.monitor)
    rows = [row for row in read_metrics(cli.run_folder.path) if isinstance(row.get(monitor), float)]
    if not rows:
        return {}
    pick = max if cli.model.mode == "max" else min
    chosen = {"best": pick(rows, key=lambda row: row[monitor]), "last": rows[-1]}
    return {name: {"epoch": row["epoch"], "step": row["step"], "score": row[monitor]} for name, row in chosen.items()}


def _told(cli: "CLI", ours: Judged, values: dict[str, Any], split: str) -> dict[str, str]:
    told: dict[str, str] = {}
    scores = values.get(split)
    if scores and scores["score"] is not None:
        told[f"{split} {values['score_name']}"] = with_interval(scores["score"], scores["interval"])
        told["SROCC, PLCC"] = f"{scores.get('srocc', 0):.4f}, {scores.get('plcc', 0):.4f} over {scores['n']} clips"
        baseline = cli.options.run.baseline
        if baseline:
            told["change"] = with_change(compare(ours, cli.run_folder.root / baseline, split), baseline)
    elif split == "test":
        told["score"] = "none: the test clips have no labels; predictions are in predictions.parquet"
    elif split == "predict" and (cli.run_folder.path / "predictions.parquet").is_file():
        told["written"] = str(cli.run_folder.path / "predictions.parquet")
    if values["transductive"]:
        told["transductive"] = "validation or test clips may be among those trained on; no fair score of unseen clips"
    if values["stand_ins"]:
        told["stand-in"] = stand_in_note(values["stand_ins"])
    if values.get("gmacs"):
        told["cost"] = f"{values['gmacs']:.4g} GMACs a video, {values['params_m']:.4g} M parameters"
    for part in (cli.model, *cli.trainer.callbacks):  # type: ignore[attr-defined]
        told |= getattr(part, "told", {})
    quarantine = cli.run_folder.path / "quarantine.csv"
    if quarantine.is_file():
        count = max(0, len(quarantine.read_text(encoding="utf-8").splitlines()) - 1)
        if count:
            told["unreadable"] = f"{count} file(s), listed in {quarantine}"
    inside = sorted(cli.run_folder.path.iterdir())
    told["files"] = ", ".join(path.name + "/" * path.is_dir() for path in inside if not path.name.startswith("."))
    return told


def _worst(ours: Judged, data: Any) -> list[tuple[Path, float, float]]:
    rows = sorted(ours.rows, key=lambda row: -abs(row.prediction - (row.target or 0.0)))[:3]
    return [(Path(data.root) / row.id, float(row.target or 0.0), row.prediction) for row in rows]


def _next(cli: "CLI") -> str:
    words = sys.argv[1:]
    if cli.subcommand == "fit":
        drop = {"--restart", "--dry_run"}
        return "python train.py test " + shlex.join(word for word in words[1:] if word not in drop)
    if cli.subcommand in ("validate", "test"):
        return f"python -m experiments assess VIDEO_OR_FOLDER --checkpoint {shlex.quote(str(cli.run_folder.best))}"
    return ""
