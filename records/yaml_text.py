"""YAML as plain values: no classes, no aliases that unfold to gigabytes, nothing that refers to itself."""

from typing import Any

import yaml

from records.limits import limit, raised

# Levels of a config file; the deepest of ours has 14.
DEPTH = 64


def parse_yaml(text: str) -> Any:
    """The value of YAML text.

    Raises:
        ValueError: It is no YAML of plain values, or unfolds to too many; says why in one line.
    """
    if len(text) > limit("CONFIG_BYTES"):
        raise ValueError(f"over {limit('CONFIG_BYTES')} letters; {raised('CONFIG_BYTES')}")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _unfolded(node, {}, DEPTH)
        return loader.construct_document(node)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        # Constructors of dates and numbers raise what they like.
        raise ValueError(" ".join(str(error).split())[:400] or type(error).__name__) from None


def _unfolded(node: Any, known: dict[int, int | None], depth: int) -> int:
    """Number of values below and at a node, with every alias written out."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    size = known.get(id(node), 0)
    if size is None:
        raise ValueError("an alias stands inside of what it names")
    if not depth:
        raise ValueError(f"nested more than {DEPTH} levels deep")
    if not size:
        known[id(node)] = None
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(each,) for each in node.value]
        size = 1
        for parts in pairs:
            size += sum(_unfolded(part, known, depth - 1) for part in parts)
            if size > limit("CONFIG_VALUES"):
                told = f"unfolds to more than {limit('CONFIG_VALUES')} values"
                raise ValueError(f"{told}; {raised('CONFIG_VALUES')}")
        known[id(node)] = size
    return size
