"""The end of a command: summary, the one screen, and the page of all runs."""

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_modules.sr_task import SRTask
from records.feature_bank import stand_in_note
from records.files import read_json
from records.provenance import environment
from records.runs import read_metrics, read_status
from runtime.end_screen import Ending, show
from runtime.image_outcome import ImageOutcome
from runtime.quality_outcome import QualityOutcome
from runtime.run_index import refresh_index
from runtime.summary import update_summary

if TYPE_CHECKING:
    from runtime.cli import CLI

Outcome = QualityOutcome | ImageOutcome
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
    kind = ImageOutcome if isinstance(cli.model, SRTask) else QualityOutcome
    ours = kind(folder, split, data, str(cli.model.monitor), str(cli.model.mode))
    values = _figures(cli, ours, split, seconds)
    for part in (cli.model, *cli.trainer.callbacks):  # type: ignore[attr-defined]
        values |= getattr(part, "figures", {})
    update_summary(folder, values)
    told = _told(cli, ours, values, split)
    show(Ending(folder, f"{command} finished", told, ours.worst(), _next(cli, ours.after)))
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


def _figures(cli: "CLI", ours: Outcome, split: str, seconds: float | None) -> dict[str, Any]:
    data = cli.trainer.datamodule  # type: ignore[attr-defined]
    figures: dict[str, Any] = {
        "experiment": cli.run_folder.experiment,
        "variant": cli.run_folder.variant,
        "seed": cli.run_folder.seed,
        "score_name": ours.name,
        "split_hash": data.split_hash,
        "transductive": bool(getattr(cli.model, "transductive", False)),
        **_origins(cli.model),
        "stand_ins": sorted({*data.stand_ins, *getattr(cli.model, "stand_ins", ())}),
        "status": "finished" if cli.subcommand == "fit" else read_status(cli.run_folder.status).get("state"),
        **_course(cli),
        **{name: cli.model.efficiency.get(name) for name in ("gmacs", "gflops", "params_m", "activation_mb")},
        "git": environment().get("git"),
        "updated": time.time(),
    }
    if seconds is not None:
        figures |= {"fit_seconds": round(seconds + cli.status.before, 1), "epochs": cli.trainer.current_epoch}
    scores = ours.scores()
    if scores is not None:
        figures[split] = scores
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


def _told(cli: "CLI", ours: Outcome, values: dict[str, Any], split: str) -> dict[str, str]:
    baseline = cli.options.run.baseline
    told = ours.told(values.get(split), cli.run_folder.root / baseline if baseline else None)
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


def _next(cli: "CLI", after: str = "") -> str:
    words = sys.argv[1:]
    if cli.subcommand == "fit":
        drop = {"--restart", "--dry_run"}
        return "python train.py test " + shlex.join(word for word in words[1:] if word not in drop)
    if cli.subcommand in ("validate", "test"):
        checkpoint = Path(cli.model.checkpoint or cli.run_folder.best)
        after = getattr(cli.model, "after", after)
        # A network without weights, or an ensemble, has no checkpoint to go on with.
        return after.format(checkpoint=shlex.quote(str(checkpoint))) if checkpoint.is_file() else ""
    return ""
