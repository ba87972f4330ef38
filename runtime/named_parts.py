"""Views, branches and loss terms of a layer: those it does not mention stay as the layers below have them."""

import copy
from typing import Any

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
            result[key] = completed(value, under)
    return result


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
