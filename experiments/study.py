"""Run a study: stages of commands over variants and seeds, planned and taken up by Snakemake, ending in a report.

A study that was ended in the middle is taken up by the same command: what is done is not repeated, and runs go on from
their last checkpoint. A stage is run again when its command or what it needs has changed.
"""

import argparse
from pathlib import Path

from records.errors import UserError
from records.files import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("file", type=Path, help="study; some are in configs/study")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cores that the stages may take (default 1)")
    parser.add_argument("--gpus", metavar="0,1,...", help="GPUs that the stages share out among them")
    parser.add_argument("--out", type=Path, help="folder of the study (default: studies/NAME)")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and let Snakemake read it; run nothing")
    parser.add_argument(
        "--snakemake", default="", metavar="WORDS", help="for Snakemake, as --snakemake='--executor slurm'"
    )


def run(args: argparse.Namespace) -> int:
    """Run it, and show how it ended; 1 when a stage failed."""
    import importlib.util

    from experiments.folder_lock import held
    from experiments.pipeline.engine import end_processes, run
    from experiments.pipeline.outcome import Progress, show_outcome, show_plan, write_report
    from experiments.pipeline.plan import plan, snakefile
    from experiments.pipeline.study_file import read_study

    study = read_study(args.file)
    if importlib.util.find_spec("snakemake") is None:
        raise UserError("snakemake is not there", where="study", mend="pip install 'sugc-lab[study]'")
    if args.jobs < 1:
        raise UserError(f"{args.jobs} is less than 1", where="--jobs", mend="give 1 or more")
    folder = args.out or Path("studies") / study.name
    jobs = plan(study, folder)
    with held(folder, "study"):
        end_processes(folder)  # what a killed one left running
        write_text(folder / "Snakefile", snakefile(jobs, Path.cwd(), args.gpus))
        if args.dry_run:
            show_plan(study, jobs, folder)
        progress = Progress(jobs, folder)
        code = run(folder / "Snakefile", folder, args.jobs, args.snakemake, progress.look, args.dry_run)
        progress.look()
        if args.dry_run:
            if code:
                mend = f"see {folder / 'snakemake.log'}"
                raise UserError("Snakemake does not read the plan", where=str(args.file), mend=mend)
            return 0
        write_report(study, jobs, folder)
        return show_outcome(study, jobs, folder, code)
