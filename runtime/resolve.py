"""The values of an experiment file with all its layers and interpolations, without building anything."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from records.errors import UserError
from runtime.layers import layers, read_config


def resolved(path: Path) -> dict[str, Any]:
    """Merge the layers of ``path``, lowest first, and resolve ``${...}``.

    Only for looking at a few keys: defaults of classes are not in it, and lists replace each other.

    Raises:
        UserError: A file is missing or wrong, or an interpolation leads nowhere.
    """
    merged = OmegaConf.merge(*(OmegaConf.create(_readable(read_config(layer))) for layer in layers(path)))
    try:
        values = OmegaConf.to_container(merged, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(" ".join(str(error).split()), where=str(path), mend="mend the ${...} there") from None
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _readable(values: dict[str, Any]) -> dict[str, Any]:
    # `callbacks+:` appends in the command line's parser; here its entries are of no interest.
    return {key: value for key, value in values.items() if key != "base"}
