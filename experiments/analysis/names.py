"""Names of the questions, in the order that help lists them."""

QUESTIONS: tuple[str, ...] = (
    "distillation",
    "transfer",
    "slicing",
)
