"""What W&B's description of a parameter means to Optuna."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from experiments.search.sweep_file import SweepFile
from records.errors import UserError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# A grid of more would not end, and its points would fill the memory.
MOST_POINTS = 1_000_000
SERVED = "value, values, uniform, int_uniform, q_uniform, log_uniform(_values), q_log_uniform(_values)"


@dataclass
class Space:
    """What is searched.

    Args:
        constants: Values that every trial has.
        distributions: What Optuna draws.
        steps: Multiples that a drawn value is rounded to, where Optuna has no such distribution.
        coded: Parameters whose values are no plain ones, and stand as JSON.
    """

    constants: dict[str, Any] = field(default_factory=dict)
    distributions: "dict[str, BaseDistribution]" = field(default_factory=dict)
    steps: dict[str, float] = field(default_factory=dict)
    coded: set[str] = field(default_factory=set)

    def values(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Values of the command line for what was drawn."""
        found = dict(self.constants)
        for name, value in drawn.items():
            if name in self.coded:
                value = json.loads(value)
            elif name in self.steps:
                step = self.steps[name]
                value = type(step)(round(value / step) * step)
            found[name] = value
        return found

    def grid(self, where: str) -> dict[str, list[Any]]:
        """All values of every parameter.

        Raises:
            UserError: A parameter has no countable values.
        """
        from optuna.distributions import CategoricalDistribution, IntDistribution

        found: dict[str, list[Any]] = {}
        points = math.prod(map(_count, self.distributions.values()))
        if not points <= MOST_POINTS:
            what = f"the grid has more than {MOST_POINTS} points"
            raise UserError(what, where=where, mend="give fewer values or a larger q, or use method: random")
        for name, distribution in self.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                found[name] = list(distribution.choices)
            elif isinstance(distribution, IntDistribution) and not distribution.log:
                found[name] = list(range(distribution.low, distribution.high + 1, distribution.step))
            elif (step := getattr(distribution, "step", None)) is not None:
                count = round((distribution.high - distribution.low) / step)  # type: ignore[attr-defined]
                found[name] = [distribution.low + place * step for place in range(count + 1)]  # type: ignore[attr-defined]
            else:
                raise UserError(f"a grid needs values of {name}", where=where, mend="list them, or use method: random")
        return found


def _count(distribution: Any) -> float:
    """How many values a grid would take of a distribution; 1 of one that a grid refuses."""
    step = getattr(distribution, "step", None)
    if hasattr(distribution, "choices"):
        return len(distribution.choices)
    return 1 if step is None else (distribution.high - distribution.low) // step + 1


def space_of(sweep: SweepFile) -> Space:
    """Translate every parameter.

    Raises:
        UserError: One has no counterpart, or its numbers do not fit; the parameter is named.
    """
    space = Space()
    for name, told in sweep.parameters.items():
        try:
            _add(space, str(name), told)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = f"parameter {name} cannot be served: {error.args[0] if error.args else error}"
            raise UserError(what, where=str(sweep.path), mend=f"give {SERVED}") from None
    if not space.distributions:
        raise UserError("every parameter is constant", where=str(sweep.path), mend="give one values, or min and max")
    return space


def _add(space: Space, name: str, told: Mapping[str, Any]) -> None:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    kind = str(told.get("distribution") or _kind(told))
    if kind == "constant":
        space.constants[name] = told["value"]
        return
    if kind == "categorical":
        values = list(told["values"])
        if not all(value is None or isinstance(value, bool | int | float | str) for value in values):
            space.coded.add(name)
            values = [json.dumps(value) for value in values]
        space.distributions[name] = CategoricalDistribution(values)
        return
    low, high = told["min"], told["max"]
    step = told.get("q", 1)
    if kind == "log_uniform" or kind == "q_log_uniform":
        low, high = math.exp(low), math.exp(high)  # W&B gives exponents there
    if kind == "int_uniform":
        space.distributions[name] = IntDistribution(low, high)
    elif kind == "uniform":
        space.distributions[name] = FloatDistribution(low, high)
    elif kind == "q_uniform":
        whole = all(isinstance(value, int) for value in (low, high, step))
        space.distributions[name] = (IntDistribution if whole else FloatDistribution)(low, high, step=step)
    elif kind in ("log_uniform", "log_uniform_values"):
        space.distributions[name] = FloatDistribution(low, high, log=True)
    elif kind in ("q_log_uniform", "q_log_uniform_values"):
        space.distributions[name] = FloatDistribution(low, high, log=True)
        space.steps[name] = step
    else:
        raise ValueError(f"distribution {kind}")


def _kind(told: Mapping[str, Any]) -> str:
    """The distribution that W&B takes where none is named."""
    if "value" in told:
        return "constant"
    if "values" in told:
        if "probabilities" in told:
            raise ValueError("probabilities")
        return "categorical"
    if isinstance(told["min"], int) and isinstance(told["max"], int):
        return "int_uniform"
    return "uniform"
