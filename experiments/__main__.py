"""Dispatch `python -m experiments COMMAND` to the module of that command, importing nothing else."""

import argparse
import ast
import difflib
import importlib
import signal
import sys
from pathlib import Path
from typing import NoReturn

from records.errors import UserError, refused_by_system

COMMANDS = (
    "analyse", "assess", "budget", "check-data", "compare", "doctor", "enhance", "prepare", "score", "study", "sweep",
    "user-study",
)  # fmt: skip


class Words(argparse.ArgumentParser):
    """A parser that tells what is wrong with the words as every other error is told."""

    def error(self, message: str) -> NoReturn:
        """Raise it in place of printing the usage and leaving."""
        raise UserError(message, where=self.prog, mend="--help lists every option")


def summary(command: str) -> str:
    """First docstring line of a command's module, read without importing it."""
    source = Path(__file__).with_name(command.replace("-", "_") + ".py")
    return (ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a check did not hold, 2 wrong input, 130/143 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print("usage: python -m experiments COMMAND ...\n\ncommands:")
        for command in COMMANDS:
            print(f"  {command:<12}{summary(command)}")
        return 0
    command = words.pop(0)
    try:
        return _run(command, words)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        from runtime.exhausted import exhausted

        refused: UserError | None = exhausted(error, command)
        if refused is None and isinstance(error, OSError):
            refused = refused_by_system(error)
        if refused is None:
            raise
        print(f"error: {refused}", file=sys.stderr)
        return refused.exit_code
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def _run(name: str, words: list[str]) -> int:
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        mend = f"did you mean {near[0]!r}?" if near else f"commands are {', '.join(COMMANDS)}"
        raise UserError(f"no command {name!r}", where="python -m experiments", mend=mend)
    module = importlib.import_module("experiments." + name.replace("-", "_"))
    parser = Words(prog=f"python -m experiments {name}", description=module.__doc__)
    module.add_arguments(parser)
    args = parser.parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return int(module.run(args) or 0)


if __name__ == "__main__":
    sys.exit(main())
