"""The efficiency gate: what a video costs is known, and told, before the first one is opened."""

import warnings
from typing import Any

import lightning as L

from metrics.efficiency import efficiency
from records.errors import CheckFailed, UserError

_NETWORK = "model.init_args.network"


class GFLOPsBudget(L.Callback):
    """Count the network on the shapes its views promise, before any stage begins, and refuse one over budget.

    The figures go to the loggers' configuration and to ``pl_module.efficiency``. A module with ``members``, an
    ensemble, costs as many networks.

    Args:
        max_gmacs: Most multiply-accumulates a video may cost, in 10^9, all frames, clips and crops included. The
            challenge's 120 "GFLOPs" count a multiply-accumulate as one. Null for no limit.
        enforce: End the run when the network is over budget or cannot be counted; otherwise only warn.
    """

    def __init__(self, max_gmacs: float | None = 120.0, enforce: bool = True) -> None:
        if max_gmacs is not None and not max_gmacs > 0:
            raise ValueError(f"max_gmacs must be above 0, not {max_gmacs}")
        self.max_gmacs, self.enforce = max_gmacs, enforce

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Count on rank zero, before weights are loaded; every rank then goes on or ends alike."""
        network = getattr(pl_module, "network", None)
        shapes = getattr(trainer.datamodule, "shapes", None)  # type: ignore[attr-defined]
        if network is None or shapes is None:
            return  # no network on named views: another task's module
        answer: tuple[dict[str, Any], str, str] = ({}, "", "")
        if trainer.is_global_zero:
            answer = _count(network, shapes)
        figures, problem, mend = trainer.strategy.broadcast(answer, src=0)
        members = len(getattr(pl_module, "members", ()))
        if members > 1 and not problem:
            figures = _times(figures, members)
        pl_module.efficiency = figures  # type: ignore[assignment]
        if problem:
            self._refuse(UserError(problem, where=_NETWORK, mend=mend))
            return
        for logger in trainer.loggers:
            logger.log_hyperparams({"efficiency": figures})
        if self.max_gmacs is not None and figures["gmacs"] > self.max_gmacs:
            self._refuse(over_budget(figures, self.max_gmacs))

    def _refuse(self, error: UserError) -> None:
        if self.enforce:
            raise error
        warnings.warn(f"{error} (budget.enforce is false)", stacklevel=2)


def over_budget(figures: dict[str, Any], limit: float) -> CheckFailed:
    """The error that says how far a network is over its budget, which part costs what, and which keys change it.

    Args:
        figures: Result of ``metrics.efficiency.efficiency``.
        limit: The budget, GMACs a video.
    """
    costs = {name: part["gmacs"] for name, part in figures["branches"].items()}
    largest = max(costs, key=lambda name: costs[name])
    told = ", ".join(f"{name} {gmacs:.2f}" for name, gmacs in costs.items())
    return CheckFailed(
        f"{figures['gmacs']:.2f} GMACs a video are over the budget of {limit:g} ({told})",
        where="budget.max_gmacs",
        mend=f"take fewer or smaller frames in data.init_args.views.{largest}, a smaller trunk in "
        f"{_NETWORK}.init_args.branches.{largest}, or set budget.enforce: false",
    )


def _times(figures: dict[str, Any], members: int) -> dict[str, Any]:
    """Figures of an ensemble: every member computes and holds what one network does; one runs at a time."""
    costs = ("gmacs", "gflops", "params_m")
    branches = {
        name: {cost: members * value for cost, value in part.items()} for name, part in figures["branches"].items()
    }
    return {**figures, **{cost: members * figures[cost] for cost in costs}, "branches": branches, "members": members}


def _count(network: Any, shapes: dict[str, tuple[int, ...]]) -> tuple[dict[str, Any], str, str]:
    """Figures, or a problem and its mend; plain values, which travel between ranks."""
    try:
        network.check(shapes)
    except ValueError as error:
        return {}, str(error), "give a branch and its view the same key and the same size"
    try:
        return efficiency(network, shapes), "", ""
    except ValueError as error:
        return {}, str(error), "or set budget.enforce: false"
