"""The argument parser, with errors of one sentence in place of a page of usage."""

import difflib
import importlib
import inspect
import pkgutil
import re
from dataclasses import fields
from typing import Any

from lightning.pytorch.cli import LightningArgumentParser

from records.errors import UserError
from runtime.keys import TOP, unknown
from runtime.options import CheckpointOptions, EMAOptions, RunOptions, WandbOptions

_EXPECTED = r"Expected an? (?:<class '(\w+)'>|typing\.Literal\[(.*)\])"


class ShortErrorParser(LightningArgumentParser):
    """LightningArgumentParser that raises :class:`UserError` naming the key, the reason and the nearest valid name."""

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Raise ``message`` as a user error; parsers of nested classes pass theirs on to the outermost."""
        if not self.exit_on_error:
            super().error(message, ex)
        raise explain(message) from ex


def explain(message: str) -> UserError:
    """Turn a nested message of the parser into one sentence.

    The parser tells a chain: a key, the class found there, a key in it, and so on; the innermost line is the reason.
    """
    keys: list[str] = []
    expected: list[str] = []  # what the value of the innermost key may be
    owner = ""
    for line in message.splitlines():
        if line.lstrip("- ").startswith("Expected a <class 'NoneType'>") and owner and not expected:
            break  # the next alternative of an optional type; the first was the real one
        if match := re.search(r'Parser key "([^"]+)":', line):
            keys.append(match[1])
            expected = []
        if match := re.search(r"Problem with given class_path '([^']+)'", line):
            if owner == match[1]:
                break
            owner = match[1]
            keys.append("init_args")
            expected = []
        where = ".".join(keys)
        if reason := _reason(line, owner, where):
            return reason
        expected += [plain or choice for plain, choice in re.findall(_EXPECTED, line)]
        if keys and expected and (match := re.match(r" *Given value: (.*)", line)):
            told = " or ".join("null" if name == "NoneType" else name for name in dict.fromkeys(expected))
            return UserError(f"value {match[1].strip()!r} does not fit", where=where, mend=f"give {told}")
    if match := re.search(r"Parser key \"([^\"]+)\":.*?Given value: (.*)", message, re.S):
        told = " ".join(match[2].split())[:200]
        return UserError(
            f"value {told!r} does not fit", where=match[1], mend="python train.py fit --help tells what does"
        )
    return UserError(" ".join(message.split())[:600], mend="python train.py fit --help lists every option")


def _reason(line: str, owner: str, where: str) -> UserError | None:
    if match := re.search(r"Option '([^']+)' is not accepted(?:.*class_path='([^']+)')?", line):
        return _unknown_option(match[1], match[2] or owner, where)
    if match := re.search(r"[Uu]nrecognized arguments: --([^\s=]+)", line):
        if owner:
            return _unknown_option(match[1], owner, where)
        return _unknown_key(match[1])
    if match := re.search(r"[Uu]nrecognized arguments: ([^-\s]\S*)", line):
        mend = f"did you mean --config {match[1]}?" if match[1].endswith((".yaml", ".yml")) else "options begin with --"
        return UserError(f"a lone word {match[1]!r}", where="command line", mend=mend)
    if match := re.search(r"following arguments are required: (.*)", line):
        lacking = ", ".join(name.strip().partition(".")[2] or name.strip() for name in match[1].split(","))
        mend = "give --config FILE; runnable ones are in configs/exp"
        return UserError(f"no {lacking}", where="command line", mend=mend)
    if match := re.search(r"module '([^']+)' has no attribute '([^']+)'", line):
        module = importlib.import_module(match[1])
        names = [name for name, value in vars(module).items() if inspect.isclass(value)]
        names += [each.name for each in pkgutil.iter_modules(getattr(module, "__path__", []))]
        near = difflib.get_close_matches(match[2], names, 1, cutoff=0.5)
        mend = f"did you mean {match[1]}.{near[0]}?" if near else f"{match[1]} has {', '.join(sorted(names)[:12])}"
        return UserError(f"nothing named {match[2]!r} in {match[1]}", where=_tidy(where, "class_path"), mend=mend)
    if match := re.search(r"No module named '([^']+)'", line):
        return UserError(f"no module {match[1]!r}", where=_tidy(where, "class_path"), mend="mend the class_path")
    if where and (match := re.search(_EXPECTED + r"\.? Got value: (.*)", line)):
        mend = f"give {match[1]}" if match[1] else f"choose one of {match[2]}"
        return UserError(f"value {match[3].strip()!r} does not fit", where=where, mend=mend)
    return None


def _unknown_key(key: str) -> UserError:
    top, _, rest = key.partition(".")
    groups = {"run": RunOptions, "wandb": WandbOptions, "checkpoint": CheckpointOptions, "ema": EMAOptions}
    if top not in TOP or top not in groups:
        return unknown(top, TOP, "command line")
    return unknown(f"{top}.{rest}", [field.name for field in fields(groups[top])], "command line")


def _unknown_option(option: str, owner: str, where: str) -> UserError:
    name = option.partition(".")[0]
    module, _, cls = owner.rpartition(".")
    try:
        known = list(inspect.signature(getattr(importlib.import_module(module), cls)).parameters)
    except (ImportError, AttributeError, ValueError):
        known = []
    outer = ["class_path", "init_args", "dict_kwargs"]
    near = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    if not near and difflib.get_close_matches(name, outer, 1, cutoff=0.7):
        near = difflib.get_close_matches(name, outer, 1)
    mend = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(known)}"
    return UserError(f"{owner} has no option {name!r}", where=where, mend=mend)


def _tidy(where: str, leaf: str) -> str:
    return f"{where.removesuffix('.init_args')}.{leaf}"
