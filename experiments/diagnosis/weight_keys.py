"""Every key of every recipe that takes published weights, read from the configs and from the classes they name.

Classes are read from their source and not imported: torch would take seconds.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "configs" / "exp"
# Arguments of networks and losses that take weights, where they are words or a switch and not a network.
ARGUMENTS = ("pretrained", "weights", "backbone", "folder")
KINDS = ("str", "str | None", "bool")
FLOORS = ("models.", "losses.")


@dataclass(frozen=True)
class Node:
    """A class that a recipe names and that can take published weights.

    Args:
        recipe: Stem of the experiment file, with the folder of experts before it.
        key: Dotted key of its arguments.
        kind: Its class.
        takes: Its arguments that take weights.
        values: All its arguments, defaults included.
    """

    recipe: str
    key: str
    kind: str
    takes: tuple[str, ...]
    values: dict[str, Any]


def nodes(recipes: Path = RECIPES) -> list[Node]:
    """All such classes of all recipes below a folder, in the order of the recipes' names."""
    found = []
    for path in sorted(recipes.rglob("*.yaml")):
        name = path.stem if path.parent.name != "features" else f"features/{path.stem}"
        for key, kind, given in _classes(recipe_values(path), ""):
            takes = taking(kind)
            if takes:
                values = {argument: default for argument, (_, default) in signature(kind).items()} | given
                found.append(Node(name, f"{key}.init_args", kind, takes, values))
    return found


def experts(recipes: Path = RECIPES) -> dict[str, list[str]]:
    """Expert whose stored rows recipes read, to the recipes."""
    found: dict[str, list[str]] = {}
    for path in sorted(recipes.rglob("*.yaml")):
        for _, kind, given in _classes(recipe_values(path), ""):
            if kind.endswith("ExpertRows"):
                for name in given.get("experts", {}):
                    found.setdefault(name, []).append(path.stem)
    return found


def recipe_values(path: Path) -> dict[str, Any]:
    """Values of a recipe with all layers below it."""
    from runtime.layers import layers, read_config
    from runtime.named_parts import completed, merged

    below: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for layer in layers(path):
        whole = completed(read_config(layer), below)
        below, values = merged(below, whole), _over(values, whole)
    return values


def _over(below: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    """A layer over others as the parser puts them: where the class changes, arguments that the new one has stay."""
    from runtime.named_parts import PARTS

    kind, given = layer.get("class_path"), set(layer.get("init_args") or {})
    exchanged = kind is not None and below.get("class_path", kind) != kind
    result = dict(below)
    for key, value in layer.items():
        # A dict that is an argument is replaced as a whole; this is the only one in which it matters.
        both = isinstance(value, dict) and isinstance(below.get(key), dict) and not _is_widths(key, value)
        result[key] = _over(below[key], value) if both else value
        if both and key in PARTS:
            result[key] = {name: part for name, part in result[key].items() if name in value}
    if exchanged and isinstance(result.get("init_args"), dict):
        known = given | set(signature(str(kind)))
        result["init_args"] = {name: value for name, value in result["init_args"].items() if name in known}
    return result


def _is_widths(key: str, value: dict[str, Any]) -> bool:
    """Whether it is a table of experts, name to width, and no view or branch of that name."""
    return key == "experts" and all(isinstance(width, int) for width in value.values())


def taking(kind: str) -> tuple[str, ...]:
    """Arguments of a class that take weights; none for classes of other floors."""
    if not kind.startswith(FLOORS):
        return ()
    return tuple(name for name, (said, _) in signature(kind).items() if name in ARGUMENTS and said in KINDS)


def all_taking(root: Path = ROOT) -> dict[str, tuple[str, ...]]:
    """Class to the arguments of it that take weights, of all networks and losses."""
    found = {}
    for folder in FLOORS:
        for path in sorted((root / folder[:-1]).rglob("*.py")):
            module = ".".join(path.relative_to(root).with_suffix("").parts)
            for node in _tree(path).body:
                if isinstance(node, ast.ClassDef) and (takes := taking(f"{module}.{node.name}")):
                    found[f"{module}.{node.name}"] = takes
    return found


def signature(kind: str) -> dict[str, tuple[str, Any]]:
    """Arguments of a class's constructor: annotation as written, and the default where it is a plain value."""
    module, _, name = kind.rpartition(".")
    path = ROOT / (module.replace(".", "/") + ".py")
    for node in _tree(path).body if path.is_file() else ():
        if isinstance(node, ast.ClassDef) and node.name == name:
            for made in node.body:
                if isinstance(made, ast.FunctionDef) and made.name == "__init__":
                    return _arguments(made.args)
    return {}


def _arguments(told: ast.arguments) -> dict[str, tuple[str, Any]]:
    names = told.args[1:]
    defaults = [None] * (len(names) - len(told.defaults)) + list(told.defaults)
    pairs = [*zip(names, defaults, strict=True), *zip(told.kwonlyargs, told.kw_defaults, strict=True)]
    return {
        each.arg: (
            ast.unparse(each.annotation) if each.annotation else "",
            default.value if isinstance(default, ast.Constant) else None,
        )
        for each, default in pairs
    }


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _classes(values: Any, key: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Key, class and given arguments of everything below a value that names a class."""
    if isinstance(values, dict):
        if isinstance(values.get("class_path"), str):
            yield key, values["class_path"], values.get("init_args") or {}
        for name, value in values.items():
            yield from _classes(value, f"{key}.{name}".lstrip("."))
    elif isinstance(values, list):
        for place, value in enumerate(values):
            yield from _classes(value, f"{key}[{place}]")
