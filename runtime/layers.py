"""Config files as layers: the `base:` key of a file names the files below it."""

from pathlib import Path
from typing import Any

import yaml

from records.errors import UserError
from records.limits import check_size
from records.yaml_text import parse_yaml
from runtime.named_parts import completed, merged


def read_config(path: Path) -> dict[str, Any]:
    """Read one YAML config file as a mapping.

    Raises:
        UserError: If the file is missing, is no YAML, or holds anything but a mapping.
    """
    if not path.is_file():
        raise UserError("no such config file", where=str(path), mend="runnable configs are under configs/exp")
    check_size(path, "CONFIG_BYTES")
    try:
        value = parse_yaml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"not valid YAML ({_one_line(error)})", where=str(path), mend="mend the syntax there") from None
    except OSError as error:
        mend = "give a file that you may read"
        raise UserError(f"cannot be read ({error.strerror})", where=str(path), mend=mend) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"holds a {type(value).__name__}, not keys", where=str(path), mend="write `key: value` lines")
    return value


def layers(path: str | Path) -> list[Path]:
    """Files that make up ``path``, lowest first, ``path`` itself last.

    Raises:
        UserError: If a file is missing, the files include each other, or a ``base`` is no file name.
    """
    found: dict[Path, None] = {}
    _collect(Path(path), (), found)
    return list(found)


def _collect(path: Path, above: tuple[Path, ...], found: dict[Path, None]) -> None:
    try:
        path = path.resolve()
        path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # a letter that no name holds, or a circle of links
        told = f"no name of a file ({_one_line(error)})"
        raise UserError(told, where=str(path), mend="mend the name of the config file") from None
    if path in above:
        circle = " -> ".join(each.name for each in (*above, path))
        raise UserError(f"config files include each other ({circle})", where=str(path), mend="drop one `base:`")
    if path in found:
        return
    base = read_config(path).get("base") or []
    names = [base] if isinstance(base, str) else base
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError("its base is no file name", where=str(path), mend="write `base: FILE` or `base: [FILE, FILE]`")
    for name in names:
        _collect(path.parent / name, (*above, path), found)
    found[path] = None


def named_files(arguments: list[str]) -> list[Path]:
    """Config files that the user named on the command line, in order."""
    files = []
    for index, word in enumerate(arguments):
        if word in ("--config", "-c"):
            if index + 1 == len(arguments):
                raise UserError("no file name follows", where=word, mend="give a YAML file")
            files.append(Path(arguments[index + 1]))
        elif word.startswith("--config="):
            files.append(Path(word.partition("=")[2]))
    return files


def expand(arguments: list[str]) -> list[str]:
    """Replace every `--config FILE` by `--config` of each of its layers; a file counts once, at its first place.

    A file given twice would append its `callbacks+` twice. A layer that changes only some of the named parts below it
    is passed on with the others filled in.
    """
    expanded: list[str] = []
    seen: set[Path] = set()
    below: dict[str, Any] = {}
    words = iter(arguments)
    for word in words:
        if word in ("--config", "-c"):
            name = next(words)
        elif word.startswith("--config="):
            name = word.partition("=")[2]
        else:
            expanded.append(word)
            continue
        for layer in layers(name):
            if layer not in seen:
                seen.add(layer)
                values = read_config(layer)
                whole = completed(values, below)
                below = merged(below, whole)
                text = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)
                if whole:  # the parser takes an empty file for a mistake, and tells no more
                    expanded += ["--config", str(layer) if whole == values else text]
    return expanded


def run_name(files: list[Path]) -> tuple[str | None, str]:
    """Experiment and variant that config files stand for.

    The experiment is the stem of the last layer under a folder ``exp`` (else of the last file named), the variant
    the stem of the last layer under a folder ``ablation``, else ``base``.
    """
    stack = [layer for file in files for layer in layers(file)]
    experiments = [layer.stem for layer in stack if "exp" in layer.parts[:-1]]
    variants = [layer.stem for layer in stack if "ablation" in layer.parts[:-1]]
    plain = [file.stem for file in files]
    experiment = experiments[-1] if experiments else plain[-1] if plain else None
    return experiment, variants[-1] if variants else "base"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
