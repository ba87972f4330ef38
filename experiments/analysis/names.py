"""Names of the questions, in the order that help lists them."""

QUESTIONS: tuple[str, ...] = (
    "distillation",
    "blends",
    "agreement",
    "slicing",
    "transfer",
    "frontier",
)
