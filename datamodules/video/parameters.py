"""Constructor parameters of samplers and views: their checks, and the signature they form."""

import inspect
from typing import Any


class Parameterised:
    """A class that keeps every constructor argument in an attribute of the same name."""

    def signature(self) -> dict[str, Any]:
        """The class and its parameters as plain values: equal signatures give equal pixels for equal videos."""
        values = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        plain = {
            name: value.signature() if isinstance(value, Parameterised) else value for name, value in values.items()
        }
        return {"class": f"{type(self).__module__}.{type(self).__qualname__}", **plain}

    def __repr__(self) -> str:
        names = inspect.signature(type(self)).parameters
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


def check_at_least(low: int, **values: int) -> None:
    """Raise ``ValueError`` naming the first argument that is below ``low``."""
    for name, value in values.items():
        if value < low:
            raise ValueError(f"{name} must be at least {low}, not {value}")


def check_above_zero(unit: str, **values: float) -> None:
    """Raise ``ValueError`` naming the first argument that is not a finite number above zero."""
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be a number of {unit} above 0, not {value}")
