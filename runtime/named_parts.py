"""Views, branches and loss terms of a layer: those it does not mention stay as the layers below have them."""

import copy
import importlib
import inspect
from typing import Any

from runtime.trusted_classes import OURS

# Dicts of parts by name. The parser replaces a dict as a whole, so that a layer which changes one view would lose all
# others without a word.
PARTS = ("views", "train_views", "branches", "terms")


def completed(layer: dict[str, Any], below: dict[str, Any]) -> dict[str, Any]:
    """A layer with the parts that only the layers below name; a part that it sets to null is left out.

    Args:
        layer: Values of one config file.
        below: The layers below, merged; see :func:`merged`.
    """
    result = dict(layer)
    for key, value in layer.items():
        under = below.get(key)
        if not (isinstance(value, dict) and isinstance(under, dict)):
            continue
        if key in PARTS:
            parts = {**copy.deepcopy(under), **value}
            result[key] = {
                name: completed(part, under.get(name, {})) if isinstance(part, dict) else part
                for name, part in parts.items()
                if part is not None
            }
        else:
            result[key] = completed(_told_again(value, under), under)
    return result


def _told_again(value: dict[str, Any], under: dict[str, Any]) -> dict[str, Any]:
    """A layer that exchanges a class of ours, with the arguments below that the new class takes too.

    The parser keeps them itself, but drops in silence what it cannot check yet: whatever holds a ``${...}``.
    """
    path, below = value.get("class_path"), under.get("init_args")
    if path in (None, under.get("class_path")) or not isinstance(below, dict) or "${" not in str(below):
        return value
    kept = {name: argument for name, argument in below.items() if name in _arguments(str(path))}
    if not kept:
        return value
    given = value.get("init_args")
    return {**value, "init_args": merged(kept, completed(given, below)) if isinstance(given, dict) else kept}


def _arguments(class_path: str) -> set[str]:
    """Names of what a class of this project is built from; none where the parser is to say what is wrong."""
    module, _, name = class_path.rpartition(".")
    if module.partition(".")[0] not in OURS:
        return set()
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return set()
    names: set[str] = set()
    for each in inspect.getmro(found) if inspect.isclass(found) else ():
        if "__init__" in vars(each):
            parameters = inspect.signature(vars(each)["__init__"]).parameters.values()
            names |= {parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
                break
    return names - {"self"}


def merged(below: dict[str, Any], layer: dict[str, Any], in_part: bool = False) -> dict[str, Any]:
    """Both layers as one.

    Where a class is exchanged, its arguments stay, as the parser keeps those that fit; in a named part nothing of the
    other class stays, since the parser takes a part as it is given.

    Args:
        below: The layers below, merged.
        layer: The completed layer: parts that it does not have were left out.
        in_part: Whether these are values of a named part.
    """
    if in_part and "class_path" in layer and below.get("class_path", layer["class_path"]) != layer["class_path"]:
        return copy.deepcopy(layer)
    result = dict(below)
    for key, value in layer.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        result[key] = merged(below[key], value, in_part or key in PARTS) if both else copy.deepcopy(value)
        if both and key in PARTS:
            result[key] = {name: part for name, part in result[key].items() if name in value}
    return result
