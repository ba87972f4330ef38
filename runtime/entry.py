"""From typed words to an exit code; everything that needs no torch is done before torch is imported."""

import difflib
import sys
from pathlib import Path

from records.errors import UserError, refused_by_system
from runtime.first_rank import must_tell
from runtime.keys import check_key
from runtime.launcher_watch import end_with_launcher
from runtime.layers import layers, named_files, read_config

COMMANDS = {
    "fit": "train, or go on with the run that the same command started",
    "validate": "score the best checkpoint of a run on its validation split",
    "test": "score the best checkpoint of a run on its test split",
    "predict": "write predictions for unlabelled videos",
}
CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def main(arguments: list[str]) -> int:
    """Run one command.

    Returns:
        0 done; 1 a check did not hold; 2 the input is wrong; 130, 138 or 143 interrupted by a signal.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(short_help())
        return 0
    end_with_launcher()
    try:
        if arguments[0] not in COMMANDS:
            near = difflib.get_close_matches(arguments[0], COMMANDS, 1)
            mend = f"did you mean {near[0]!r}?" if near else f"begin with one of {', '.join(COMMANDS)}"
            raise UserError(f"no command {arguments[0]!r}", where="command line", mend=mend)
        cheap_checks(arguments)
        from runtime.cli import run

        return run(arguments)
    except UserError as error:
        return _tell(error)
    except OSError as error:
        refused = refused_by_system(error)
        if refused is None:
            raise
        return _tell(refused)


def _tell(error: UserError) -> int:
    if must_tell():
        print(f"error: {error}", file=sys.stderr)
    return error.exit_code


def cheap_checks(arguments: list[str]) -> None:
    """Find missing files, wrong YAML, include circles and mistyped top-level or trainer keys."""
    for word in arguments[1:]:
        if word.startswith("--") and len(word) > 2:
            key = word[2:].partition("=")[0]
            if key not in ("help", "print_config") and not key.startswith(
                ("print_", "help", "model.help", "data.help")
            ):
                check_key(key, "command line")
    for file in named_files(arguments):
        for layer in layers(file):
            for top, value in read_config(layer).items():
                check_key(str(top), str(layer))
                if top == "trainer" and isinstance(value, dict):
                    for key in value:
                        check_key(f"trainer.{key}", str(layer))


def short_help() -> str:
    """What a new user needs to type a first command."""
    lines = ["usage: python train.py COMMAND --config FILE [--config FILE ...] [--key value ...]", "", "commands:"]
    lines += [f"  {name:<10}{text}" for name, text in COMMANDS.items()]
    lines += ["", "runnable configs:"]
    for path in sorted((CONFIGS / "exp").rglob("*.yaml")):
        first = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"  {path.relative_to(CONFIGS.parent)}  {first}")
    lines += [
        "",
        "examples:",
        "  python train.py fit --config configs/exp/kvq/mini_student.yaml",
        "  python train.py fit --config configs/exp/kvq/sharpmind_student.yaml --dry_run",
        "  python train.py test --config configs/exp/kvq/mini_student.yaml",
        "",
        "every option: python train.py fit --help; many runs and data: python -m experiments --help",
    ]
    return "\n".join(lines)
