"""Check a sweep without a trial: one drawn configuration, read to its last key as a run would read it."""

import random
import shlex
import subprocess
from typing import Any

from experiments.search.space import Space
from experiments.search.sweep_file import SweepFile
from records.errors import UserError
from records.secrets import hidden


def dry_run(sweep: SweepFile, space: Space, seed: int, extra: tuple[str, ...] = ()) -> int:
    """Print the command of one drawn trial, after its own parser has read it.

    Raises:
        UserError: The command does not read its configuration.
    """
    words = [*sweep.words(space.values(draw(space, seed))), *extra]
    if sweep.method == "grid":
        space.grid(str(sweep.path))
    done = subprocess.run(
        [*words, "--print_config"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        told = done.stderr.strip().splitlines() or ["no word"]
        what = hidden(f"a trial's command does not start: {told[-1]}")
        raise UserError(what, where=str(sweep.path), mend=hidden(shlex.join(words)))
    print(hidden(shlex.join(words)))
    return 0


def draw(space: Space, seed: int) -> dict[str, Any]:
    """One value of every searched parameter."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    source, drawn = random.Random(seed), {}
    for name, distribution in space.distributions.items():
        if isinstance(distribution, CategoricalDistribution):
            drawn[name] = source.choice(distribution.choices)
        elif isinstance(distribution, IntDistribution):
            drawn[name] = distribution.low
        else:
            drawn[name] = distribution.low  # type: ignore[attr-defined]
    return drawn
