"""Dispatch `python -m experiments COMMAND` to the module of that command, importing nothing else."""

import argparse
import ast
import difflib
import importlib
import signal
import sys
from pathlib import Path

from records.errors import UserError

COMMANDS = ("assess", "budget", "check-data", "enhance", "prepare", "score", "sweep", "user-study")


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
    name = words.pop(0)
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean {near[0]!r}" if near else "commands are " + ", ".join(COMMANDS)
        print(f"error: no command {name!r}; {hint}", file=sys.stderr)
        return 2
    module = importlib.import_module("experiments." + name.replace("-", "_"))
    parser = argparse.ArgumentParser(prog=f"python -m experiments {name}", description=module.__doc__)
    module.add_arguments(parser)
    args = parser.parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return int(module.run(args) or 0)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
