"""Run many cases of readers in worker processes, going on behind a case that ends its process."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.command import ROOT, environment

# A reader that dies of more cases than this needs no more of them to be mended.
DEATHS = 5


@dataclass
class Outcome:
    """What became of the cases.

    Args:
        counts: Cases that gave a result, ``read``, and those that got a sentence, ``refused``.
        faults: Name of a reader and number of a case, and what went wrong with it.
    """

    counts: Counter = field(default_factory=Counter)
    faults: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        """Cases that were run."""
        return self.counts.total() + len(self.faults)

    def told(self, shown: int = 4) -> str:
        """Faults as a text, with the command that runs one of them again."""
        lines = [f"{len(self.faults)} of {self.cases} cases are faults"]
        for (name, case), fault in list(self.faults.items())[:shown]:
            lines += [f"python -m tests.fuzz.worker {name} FOLDER {case} 1", fault]
        return "\n".join(lines)


def run_cases(names: Sequence[str], folder: Path, count: int, first: int = 0) -> Outcome:
    """Give cases ``first`` to ``first + count`` to each of the readers; ``folder`` is the worker's own."""
    outcome = Outcome()
    _work(list(names), folder, first, count, outcome)
    return outcome


def _work(names: list[str], folder: Path, first: int, count: int, outcome: Outcome) -> None:
    noted = folder / "case"
    noted.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.worker", ",".join(names), str(folder), str(first), str(count)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    for row in (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")):
        if "fault" in row:
            outcome.faults[row["name"], row["case"]] = row["fault"]
        else:
            outcome.counts.update(read=row["read"], refused=row["refused"])
    if done.returncode == 0:
        return
    if not noted.is_file():
        raise AssertionError(f"the worker of {names} did not begin: {done.stderr[-3000:]}")
    name, text = noted.read_text().split()
    case = int(text)
    how = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
    before = sum(each == name and first <= number < case for each, number in outcome.faults)
    # Its counts are lost with the process; each of the cases before gave a result or a sentence.
    outcome.counts.update(refused=case - first - before)
    outcome.faults[name, case] = f"ended its process: {how} {done.stderr[-2000:]}"
    if sum(fault.startswith("ended its process") for fault in outcome.faults.values()) > DEATHS:
        raise AssertionError(outcome.told(DEATHS))
    if case + 1 < first + count:
        _work([name], folder, case + 1, first + count - case - 1, outcome)
    if rest := names[names.index(name) + 1 :]:
        _work(rest, folder, first, count, outcome)
