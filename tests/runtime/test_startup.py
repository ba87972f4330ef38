"""What is cheap stays cheap, and the key list that makes it so equals the parser's."""

import json
import subprocess
import sys

import pytest

from runtime.keys import TOP, TRAINER
from tests.command import ROOT, environment

PROBE = """
import json, sys
sys.argv = ["train.py", *{words!r}]
from train import main
code = main()
print("LOADED " + json.dumps([code, sorted(name for name in {heavy!r} if name in sys.modules)]))
"""
HEAVY = ["torch", "lightning", "timm", "torchmetrics", "diffusers", "peft", "kornia", "wandb", "scipy", "numpy"]


def loaded(*words: str) -> list[object]:
    """Exit code, and the heavy packages that the command loaded."""
    code = PROBE.format(words=list(words), heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("LOADED "))
    return json.loads(line.removeprefix("LOADED "))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 0),
        (["--help"], 0),
        (["fitt"], 2),
        (["fit", "--config", "no/such.yaml"], 2),
        (["fit", "--trainer.max_epoch", "3"], 2),
        (["fit", "--trainr.max_epochs", "3"], 2),
    ],
)
def test_help_and_mistyped_keys_load_nothing_heavy(words: list[str], code: int) -> None:
    assert loaded(*words) == [code, []]


def test_the_experiments_dispatcher_loads_nothing_heavy() -> None:
    for words in ([], ["score", "--help"], ["budget", "--help"], ["assess", "--help"], ["nonsense"]):
        probe = f"import sys; from experiments.__main__ import main\ntry: main({words!r})\nexcept SystemExit: pass\n"
        probe += f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
        done = subprocess.run(
            [sys.executable, "-c", probe], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
        )
        assert "LOADED []" in done.stdout, (words, done.stdout[-200:])


def test_training_code_does_not_load_what_it_does_not_use() -> None:
    probe = "import sys, runtime.cli\nprint([n for n in ('diffusers', 'peft', 'kornia', 'wandb', 'timm', 'decord') "
    probe += "if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_key_lists_equal_the_parser() -> None:
    from lightning.pytorch import Trainer

    from runtime.cli import CLI
    from runtime.parser import ShortErrorParser

    cli = CLI.__new__(CLI)
    cli.trainer_class, cli.trainer_defaults, cli.parser_class = Trainer, {}, ShortErrorParser
    cli._model_class, cli.subclass_mode_model = __import__("lightning").LightningModule, True
    cli.datamodule_class, cli._datamodule_class, cli.subclass_mode_data = (
        None,
        __import__("lightning").LightningDataModule,
        True,
    )
    cli.seed_everything_default, cli.auto_configure_optimizers = 0, False
    cli.setup_parser(True, {}, {})
    top, trainer = set(), set()
    for parser in cli._subcommand_parsers.values():
        for action in parser._actions:
            head, _, rest = action.dest.partition(".")
            top.add(head)
            if head == "trainer" and rest:
                trainer.add(rest.partition(".")[0])
    assert top - {"help", "print_config"} == set(TOP)
    assert trainer == set(TRAINER)
