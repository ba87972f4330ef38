"""What a configuration out of a checkpoint may name: parts of ours, networks of torch's, and nothing that runs code."""

import os
from pathlib import Path

import pytest
import torch

from callbacks.run_facts import KEY
from records.errors import UserError
from runtime.build import build, load_scorer
from runtime.layers import layers, read_config
from runtime.load_enhancer import load_diffusion, load_fusion
from runtime.named_parts import completed, merged
from runtime.trusted_classes import class_paths, only_trusted_imports, refuse_foreign_classes

RECIPES = sorted((Path(__file__).resolve().parents[2] / "configs" / "exp").rglob("*.yaml"))
HOSTILE = [
    "os.system",
    "builtins.eval",
    "builtins.exec",
    "subprocess.Popen",
    "pickle.loads",
    "importlib.import_module",
    "torch.hub.load",
    "torch.load",
    "torch.utils.cpp_extension.load",
    "torch.utils.cpp_extension.BuildExtension",
    "torch.utils.bottleneck.__main__.main",
    "torch.nn.modules.module.torch.hub.load",
    "torch.nn.utils.parametrize.copyreg.pickle",
    "torch.optim.Optimizer.load_state_dict",
    "torch.nn.init.normal_",
    "torch.distributed.elastic.multiprocessing.SubprocessContext",
    "lightning.pytorch.Trainer",
    "lightning.pytorch.core.saving.load_hparams_from_yaml",
    "lightning.pytorch.cli.LightningCLI",
    "lightning.app.LightningApp",
    "models.vqa.weights.read_state",
    "models.vqa.weights.Path",
    "models.vqa.weights.codecs.open",
    "callbacks.predictions.np.load",
    "jsonargparse.CLI",
    "runtime.entry.main",
    "experiments.__main__.main",
    "tests.command.train",
    "planted.Evil",
    "..os.system",
    "os",
    "",
    " os.system",
    "models.\nos.system",
    7,
    None,
    ["os.system"],
]


@pytest.mark.parametrize("path", HOSTILE, ids=repr)
def test_what_runs_or_loads_code_is_refused_wherever_it_stands(path: object) -> None:
    network = {"class_path": "models.vqa.network.VQANetwork", "init_args": {"branches": {"a": {"class_path": path}}}}
    for value in ({"class_path": path}, network, [{"x": ({"class_path": path},)}]):
        with pytest.raises(UserError, match="neither ours nor"):
            refuse_foreign_classes(value, "best.ckpt")


def test_what_recipes_are_made_of_is_trusted() -> None:
    named = set()
    for recipe in RECIPES:
        whole: dict = {}
        for layer in layers(recipe):
            whole = merged(whole, completed(read_config(layer), whole))
        named |= set(class_paths(whole))
    assert len(named) > 40
    refuse_foreign_classes([{"class_path": path} for path in named], "best.ckpt")
    for path in ("torch.nn.GELU", "torch.optim.lr_scheduler.StepLR", "lightning.pytorch.callbacks.EarlyStopping"):
        refuse_foreign_classes({"class_path": path}, "best.ckpt")


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module beside the user that would leave a mark when it is imported."""
    mark = tmp_path / "mark"
    (tmp_path / "planted.py").write_text(
        f"open({str(mark)!r}, 'w').close()\nfrom models.vqa.heads import LinearHead as Evil\n"
    )
    (tmp_path / "planted.yaml").write_text("class_path: planted.Evil\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return mark


@pytest.mark.parametrize("told", [{"class_path": "planted.Evil"}, "planted.Evil", "planted.yaml"], ids=repr)
def test_a_checkpoint_never_makes_the_parser_import_what_is_not_ours(planted: Path, told: object) -> None:
    arguments = {"branches": {}, "fusion": "models.vqa.fusion.ConcatFusion", "head": told}
    network = {"class_path": "models.vqa.network.VQANetwork", "init_args": arguments}
    facts = {"model": {"class_path": "x", "init_args": {"network": network}}, "views": {}}
    torch.save({"state_dict": {}, KEY: facts, "adapters": {"stage": "pixel"}}, "hostile.ckpt")
    for load in (load_scorer, load_diffusion, load_fusion):
        with pytest.raises(UserError) as caught:
            load("hostile.ckpt")
        assert "hostile.ckpt" in str(caught.value)
    with pytest.raises(UserError), only_trusted_imports():
        build(network, {}, "hostile.ckpt")
    assert not planted.exists()


def test_the_users_own_classes_are_free_again_afterwards(planted: Path) -> None:
    network = {
        "class_path": "models.vqa.network.VQANetwork",
        "init_args": {"branches": {}, "head": {"class_path": "planted.Evil"}},
    }
    with pytest.raises(UserError), only_trusted_imports():
        build(network, {}, "hostile.ckpt")
    assert not planted.exists()
    with pytest.raises(UserError):  # it has no branch; the class itself is found
        build(network, {}, "mine.yaml")
    assert planted.exists()


@pytest.mark.parametrize(
    "facts",
    [None, 3, [], {}, {"views": {}}, {"views": 1, "model": []}, {"views": {}, "model": {"init_args": {"network": "x"}}}]
    + [
        {"views": views, "model": {"init_args": {"network": {"class_path": "models.vqa.network.VQANetwork"}}}}
        for views in (5, [1], {"a": "os.system"}, {"a": {"class_path": 3}})
    ],
    ids=repr,
)
def test_checkpoints_that_say_nonsense_of_themselves_get_one_sentence(facts: object, tmp_path: Path) -> None:
    path = tmp_path / "odd.ckpt"
    torch.save({"state_dict": {"x": torch.zeros(1)}, KEY: facts}, path)
    for load in (load_scorer, load_diffusion, load_fusion):
        with pytest.raises(UserError) as caught:
            load(path)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 2000


def test_a_checkpoint_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "made"),)

    torch.save({"state_dict": {}, KEY: Code()}, tmp_path / "code.ckpt")
    for load in (load_scorer, load_diffusion, load_fusion):
        with pytest.raises(UserError, match=r"code\.ckpt"):
            load(tmp_path / "code.ckpt")
    assert not (tmp_path / "made").exists()
