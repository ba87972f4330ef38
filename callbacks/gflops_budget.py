"""Stop a run that is over its compute budget before its first batch."""

import lightning as L

from metrics.efficiency import efficiency
from records.errors import CheckFailed, UserError


class GFLOPsBudget(L.Callback):
    """Count what one video costs and hold it against the budget, before any batch is read.

    The figures go to ``pl_module.efficiency`` and to the loggers' configuration. The NTIRE 2025 efficient track allows
    120 G a video; its teams counted one multiply-accumulate as one.

    Args:
        max_gmacs: Budget, 10^9 multiply-accumulates a video; null only counts.
        enforce: Stop when over; false only warns.
    """

    def __init__(self, max_gmacs: float | None = 120.0, enforce: bool = True) -> None:
        self.max_gmacs, self.enforce = max_gmacs, enforce

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Count and check; every rank counts the same, so no rank waits for another."""
        shapes = getattr(trainer.datamodule, "shapes", None)  # type: ignore[attr-defined]
        network = getattr(pl_module, "network", None)
        if shapes is None or network is None:
            return
        try:
            network.check(shapes)
            figures = efficiency(network, shapes)
        except ValueError as error:
            raise UserError(str(error), where="budget") from None
        pl_module.efficiency = figures  # type: ignore[assignment]
        for logger in trainer.loggers:
            logger.log_hyperparams({name: figures[name] for name in ("gmacs", "gflops", "params_m", "activation_mb")})
        if figures["uncounted"] and trainer.is_global_zero:
            print(f"note: not in the count of multiply-accumulates: {', '.join(figures['uncounted'])}")
        if self.max_gmacs is None or figures["gmacs"] <= self.max_gmacs:
            return
        parts = ", ".join(f"{name} {part['gmacs']:.1f}" for name, part in figures["branches"].items())
        error = CheckFailed(
            f"one video costs {figures['gmacs']:.1f} GMACs ({parts}), over the budget of {self.max_gmacs:g}",
            where="budget.max_gmacs",
            mend="use fewer or smaller frames or a lighter trunk, or set budget.enforce to false",
        )
        if self.enforce:
            raise error
        if trainer.is_global_zero:
            print(f"warning: {error}")
