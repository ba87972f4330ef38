"""Search hyperparameters: serve a W&B sweep file from Optuna, on this machine or from a shared database.

The same file serves `wandb sweep FILE` and `wandb agent`. A sweep that was ended in the middle is taken up by the same
command: finished trials are not repeated, and those that were running go on in their run folders.
"""

import argparse
import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from records.errors import UserError

if TYPE_CHECKING:
    from experiments.search.space import Space
    from experiments.search.sweep_file import SweepFile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", type=Path, help="W&B sweep file; some are in configs/sweep")
    parser.add_argument("--trials", type=int, metavar="N", help="trials in all (default: run_cap, or the whole grid)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="trials at once (default 1)")
    parser.add_argument("--storage", metavar="URL", help="database of the trials, for many machines (default: a file)")
    parser.add_argument("--out", type=Path, help="folder of the sweep (default: sweeps/NAME)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")
    parser.add_argument("--gpus", metavar="0,1,...", help="GPUs that the trials share out among them")
    parser.add_argument("--seed", type=int, default=0, help="seed of the search (default 0)")
    parser.add_argument("--take-over", action="store_true", help="also take up what other machines left running")
    parser.add_argument("--dry-run", action="store_true", help="draw one trial, check its configuration, start nothing")
    parser.add_argument("--show", action="store_true", help="show what was found so far, start nothing")
    parser.add_argument(
        "--add", default="", metavar="WORDS", help="words added to every trial's command, as --add='...'"
    )


def run(args: argparse.Namespace) -> int:
    """Run the sweep and show what it found; 1 when no trial came to an end."""
    from experiments.search.sweep_file import read_sweep

    sweep = read_sweep(args.file)
    try:
        import optuna  # noqa: F401
    except ModuleNotFoundError:
        raise UserError("optuna is not there", where="sweep", mend="pip install 'sugc-lab[sweep]'") from None
    from experiments.folder_lock import held
    from experiments.search.dry import dry_run
    from experiments.search.engine import Engine
    from experiments.search.report import ranking, write_report
    from experiments.search.space import space_of
    from experiments.search.storage import open_study
    from experiments.search.terminal import show

    for name in ("trials", "jobs"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"{value} is less than 1", where=f"--{name}", mend="give 1 or more")
    space, extra = space_of(sweep), tuple(shlex.split(args.add))
    if args.dry_run:
        return dry_run(sweep, space, args.seed, extra)
    gpus = _shares(args.gpus, args.jobs)
    limit = args.trials or sweep.run_cap or _whole_grid(sweep, space)
    folder = args.out or Path("sweeps") / sweep.name
    with held(folder, "sweep", "wait for it, or share a database by --storage URL"):
        study = open_study(sweep, space, folder, args.storage, args.seed)
        engine = Engine(sweep, space, study, folder, args.runs, limit, args.jobs, gpus, extra, args.take_over)
        try:
            if not args.show:
                engine.run()
        finally:
            rows = ranking(sweep, study, args.runs)
            files = write_report(sweep, study, rows, folder)
            show(sweep, rows, files)
    return int(not any(row.rank for row in rows))


def _whole_grid(sweep: "SweepFile", space: "Space") -> int:
    if sweep.method != "grid":
        raise UserError(
            "says no number of trials", where=str(sweep.path), mend="give --trials N, or run_cap in the file"
        )
    return math.prod(len(values) for values in space.grid(str(sweep.path)).values())


def _shares(given: str | None, jobs: int) -> tuple[str, ...]:
    """GPUs of each of the trials that run at once."""
    if given is None:
        return ()
    names = [name.strip() for name in given.split(",") if name.strip()]
    if not names or len(names) % jobs:
        what = f"{len(names)} GPUs cannot be shared out evenly among {jobs} trials"
        raise UserError(what, where="--gpus", mend="give a multiple of --jobs")
    each = len(names) // jobs
    return tuple(",".join(names[place * each : (place + 1) * each]) for place in range(jobs))
