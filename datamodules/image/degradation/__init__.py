"""The degradation simulator: draws of one sample as a plan, followed in a worker or on an accelerator."""

from datamodules.image.degradation.degradation import Degradation
from datamodules.image.degradation.plan import Plan

__all__ = ["Degradation", "Plan"]
