"""What became of a study: on the terminal, and as a page beside its results."""

import shlex
from pathlib import Path

from experiments.pipeline.plan import Job
from experiments.pipeline.study_file import Study
from records.files import write_text


def show_plan(study: Study, jobs: list[Job], folder: Path) -> None:
    """Print every job with its command, and which are done."""
    for job in jobs:
        print(f"{'done' if job.record(folder) else 'to do':6} {job.name}: {shlex.join(job.words)}")
    done = sum(bool(job.record(folder)) for job in jobs)
    print(f"study {study.name}: {len(jobs)} jobs, {done} done, {len(jobs) - done} to do")


class Progress:
    """Prints every job once it is done.

    Args:
        jobs: The plan.
        folder: The study's folder.
    """

    def __init__(self, jobs: list[Job], folder: Path) -> None:
        self.jobs, self.folder = jobs, folder
        self.done = {job.name for job in jobs if job.record(folder)}

    def look(self) -> None:
        """Print what was done since the last look."""
        for job in self.jobs:
            if job.name not in self.done and (record := job.record(self.folder)):
                self.done.add(job.name)
                print(f"[{len(self.done)}/{len(self.jobs)}] {job.name}  {record['seconds']:.0f} s", flush=True)


def show_outcome(study: Study, jobs: list[Job], folder: Path, code: int) -> int:
    """Print what was done, what was not and why, and where the results stand.

    Returns:
        0 when all is done, else 1.
    """
    left = [job for job in jobs if not job.record(folder)]
    names = {job.name for job in left}
    minutes = sum(float(job.record(folder).get("seconds", 0)) for job in jobs) / 60
    print(f"study {study.name}: {len(jobs) - len(left)} of {len(jobs)} jobs done, {minutes:.1f} minutes of commands")
    for job in left:
        if names & set(job.needs):
            print(f"waits  {job.name}")
            continue
        print(f"failed {job.name}: {_last_line(folder / job.log)} (log: {folder / job.log})")
    if code and not any((folder / job.log).exists() for job in left):
        print(f"Snakemake ended with {code}: see {folder / 'snakemake.log'}")
    print("results: " + ", ".join(str(folder / name) for name in ("report.md", *study.report)))
    return int(bool(left) or code != 0)


def write_report(study: Study, jobs: list[Job], folder: Path) -> None:
    """Write ``report.md``: where the results stand, those in Markdown in full, and how long every job took."""
    lines = [f"# Study {study.name}", ""]
    for name in study.report:
        file = folder / name
        state = "" if file.exists() else " (not there yet)"
        lines.append(f"- [{name}]({name}){state}")
    for name in study.report:
        file = folder / name
        if file.suffix == ".md" and file.is_file():
            text = file.read_text(encoding="utf-8")
            within = file.parent.relative_to(folder).as_posix()
            lines += ["", text.replace("# ", "## ").replace("](", f"]({within}/" if within != "." else "](")]
    lines += ["", "## Jobs", "", "| job | state | minutes |", "|---|---|---|"]
    for job in jobs:
        record = job.record(folder)
        time = f"{record['seconds'] / 60:.1f}" if record else ""
        lines.append(f"| {job.name} | {'done' if record else 'not done'} | {time} |")
    write_text(folder / "report.md", "\n".join([*lines, ""]))


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "was not started"
    return lines[-1][:300] if lines else "ended without a word"
