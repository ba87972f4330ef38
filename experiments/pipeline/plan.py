"""All jobs of a study: every stage in every cell of its axes, with what each waits for."""

import itertools
import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.pipeline.study_file import Stage, Study, filled
from records.hashing import value_hash
from records.runs import read_status


@dataclass(frozen=True)
class Job:
    """One command.

    Args:
        stage: Its stage.
        cell: Value of every axis of the stage.
        words: The command.
        needs: Names of the jobs before it.
    """

    stage: Stage
    cell: Mapping[str, str]
    words: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def name(self) -> str:
        """Stage and cell."""
        return job_name(self.stage, self.cell)

    @property
    def marker(self) -> str:
        """Record of its end, relative to the study's folder; there once it went well."""
        return f"done/{self.name}.json"

    @property
    def log(self) -> str:
        """What it said, relative to the study's folder."""
        return f"logs/{self.name}.log"

    def record(self, folder: Path) -> dict[str, Any]:
        """What its last end left; empty before."""
        return read_status(folder / self.marker)


def job_name(stage: Stage, cell: Mapping[str, str]) -> str:
    """Name of a job: its stage, and the values of the axes."""
    return "-".join([stage.name, *(f"{axis}_{cell[axis]}" for axis in stage.over)])


def plan(study: Study, folder: Path) -> list[Job]:
    """Jobs in an order in which each comes after what it needs."""
    stages = {stage.name: stage for stage in study.stages}
    jobs = []
    for stage in study.stages:
        for cell in cells(stage, study):
            needs = [job_name(stages[name], other) for name in stage.needs for other in cells(stages[name], study)
                     if all(other[axis] == cell[axis] for axis in stages[name].over if axis in cell)]  # fmt: skip
            words = [part for word in stage.run for part in filled(word, cell, study.axes, folder.as_posix())]
            if words[0] == "python":
                words[0] = sys.executable
            jobs.append(Job(stage, cell, tuple(words), tuple(needs)))
    return jobs


def cells(stage: Stage, study: Study) -> list[dict[str, str]]:
    """All combinations of the values of a stage's axes."""
    return [
        dict(zip(stage.over, values, strict=True))
        for values in itertools.product(*(study.axes[axis] for axis in stage.over))
    ]


def snakefile(jobs: list[Job], here: Path, gpus: str | None) -> str:
    """The plan as Snakemake reads it: one rule a job, whose output is the record of its end.

    Args:
        jobs: The plan.
        here: Folder that the commands are run in.
        gpus: Devices that the jobs share out among them, or None to leave them.
    """
    by_name = {job.name: job for job in jobs}
    parts = ["# Written by `python -m experiments study`; changes are lost.", "rule all:"]
    parts.append(f"    input: {json.dumps([job.marker for job in jobs])}")
    for place, job in enumerate(jobs):
        runner = [sys.executable, "-m", "experiments.pipeline.job", "--cwd", str(here), "--log", job.log]
        runner += ["--record", job.marker, "--name", job.name]
        if gpus is not None and job.stage.gpus:
            runner += ["--gpus", gpus, "--count", str(job.stage.gpus)]
        # Snakemake formats the command: braces are doubled.
        command = shlex.join([*runner, "--", *job.words]).replace("{", "{{").replace("}", "}}")
        parts += [
            "",
            f"rule job{place}:",
            f"    name: {json.dumps(job.name)}",
            f"    input: {json.dumps([by_name[name].marker for name in job.needs])}",
            f"    output: {json.dumps(job.marker)}",
            f"    params: command={json.dumps(value_hash(list(job.words)))}",
            f"    threads: {max(1, job.stage.cores)}",
            f"    resources: gpu={job.stage.gpus}",
            f"    shell: {json.dumps(command)}",
        ]
    return "\n".join([*parts, ""])
