"""Two sources, two losses, one step; what a fit begins from; what it says of itself."""

import os
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_modules.vqa_student import VQAStudent
from losses.feature_distillation import FeatureDistillation
from losses.mse import MSELoss
from losses.plcc import PLCCLoss
from losses.score_loss import ScoreLoss
from models.vqa.heads import MLPHead
from models.vqa.network import VQANetwork
from records.errors import UserError
from tests.lightning_modules.two_sources import Pixels, TwoSources, losses, network, trainer

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[2]
SGD = partial(torch.optim.SGD, lr=0.1)


class Untouchable(ScoreLoss):
    def forward(self, prediction, target, content=None):
        raise AssertionError("a loss that does not count was computed")


def batch(origins: str = "lplpllpl") -> dict[str, Any]:
    return next(iter(TwoSources(origins).train_dataloader()))


def gradient(value: torch.Tensor, task: VQAStudent) -> dict[str, torch.Tensor]:
    parameters = dict(task.network.named_parameters())
    return dict(zip(parameters, torch.autograd.grad(value, parameters.values(), allow_unused=True), strict=True))


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(ours[name], theirs[name], atol=1e-7) for name in theirs)


def test_each_source_is_judged_by_its_own_loss_and_weight():
    task, clips = VQAStudent(network(), PLCCLoss(), pool_loss=MSELoss(), pool_weight=0.3), batch()
    scores, labelled = task(clips["views"]), torch.tensor([origin == "label" for origin in clips["origin"]])
    label, pseudo = (PLCCLoss()(scores[labelled], clips["mos"][labelled]), (scores - clips["mos"])[~labelled])
    expected = label + 0.3 * pseudo.square().mean()
    value = task.training_step(clips, 0)
    torch.testing.assert_close(value, expected)
    assert same(gradient(value, task), gradient(expected, task))


def test_without_a_pool_the_step_is_that_of_labels_alone():
    clips = batch("llllllll")
    plain, task = VQAStudent(network(), PLCCLoss()), VQAStudent(network(), PLCCLoss(), pool_loss=Untouchable())
    expected = PLCCLoss()(plain(clips["views"]), clips["mos"])
    value = task.training_step(clips, 0)
    assert torch.equal(value, expected)
    assert same(gradient(value, task), gradient(expected, plain))


def test_a_batch_without_labelled_clips_passes_over_their_loss():
    clips = batch("pppppppp")
    task = VQAStudent(network(), Untouchable(), pool_loss=PLCCLoss())
    torch.testing.assert_close(task.training_step(clips, 0), PLCCLoss()(task(clips["views"]), clips["mos"]))


def test_a_pool_of_weight_zero_is_not_computed():
    for options in ({"pool_loss": Untouchable()}, {}):
        task = VQAStudent(network(), PLCCLoss(), pool_weight=0.0, **options)
        assert task.training_step(batch(), 0) > 0
    nothing = task.training_step(batch("pppppppp"), 0)
    assert nothing == 0 and all(value.abs().sum() == 0 for value in gradient(nothing, task).values())


def test_a_pool_without_a_loss_on_it_is_refused(tmp_path):
    with pytest.raises(UserError, match="pool_loss"):
        trainer(tmp_path).fit(VQAStudent(network(), PLCCLoss(), SGD), TwoSources())


class WithTeacher(TwoSources):
    train_shapes = {"teacher": (3, 4)}  # noqa: RUF012


def test_features_come_nearer_to_the_teachers_and_the_network_knows_nothing_of_it(tmp_path):
    logged = []

    class Student(VQAStudent):
        def log_dict(self, values, **options):
            logged.append(float(values.get("train/feature_distance", 0)))

    task = Student(network(), **losses(), optimizer=SGD, distill=FeatureDistillation("teacher", 4, 2.0))
    before = {name: value.clone() for name, value in task.distill.state_dict().items()}
    trainer(tmp_path, max_epochs=15, limit_val_batches=0).fit(task, WithTeacher())
    assert len(logged) == 30 and sum(logged[-2:]) < 0.75 * sum(logged[:2])
    assert not torch.equal(task.distill.state_dict()["project.weight"], before["project.weight"])
    assert task.network.state_dict().keys() == network().state_dict().keys()


def test_distillation_of_weight_zero_reads_no_feature():
    clips = batch()
    task = VQAStudent(network(), PLCCLoss(), pool_weight=0.0, distill=FeatureDistillation("not there", 4, 0.0))
    assert torch.equal(
        task.training_step(clips, 0), VQAStudent(network(), PLCCLoss(), pool_weight=0.0).training_step(clips, 0)
    )
    assert not any(value.requires_grad for value in task.distill.parameters())


@pytest.mark.parametrize(
    ("distill", "told"),
    [
        (None, "nothing learns from the view 'teacher'"),
        (FeatureDistillation("teacher", 9), "'teacher' is 4 wide, and model.init_args.distill says 9"),
        (FeatureDistillation("other", 4), "'teacher'.*reads 'other', which is not there"),
    ],
    ids=["unread", "width", "name"],
)
def test_features_that_do_not_fit_are_told_before_the_first_batch(tmp_path, distill, told):
    with pytest.raises(UserError, match=f"train_views.*{told}"):
        trainer(tmp_path).fit(VQAStudent(network(), **losses(), optimizer=SGD, distill=distill), WithTeacher())


def weights(task: VQAStudent) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in task.network.state_dict().items()}


def fit(folder: Path, data: TwoSources | None = None, ckpt_path: Path | None = None, **options: Any) -> VQAStudent:
    """Two epochs, saved as ``folder/last.ckpt``."""
    epochs = options.pop("epochs", 2)
    task = VQAStudent(network(seed=1), **losses(), optimizer=options.pop("optimizer", SGD), **options)
    task.resumes = ckpt_path is not None
    run = trainer(folder, max_epochs=epochs)
    run.fit(task, data or TwoSources(), ckpt_path=ckpt_path)
    run.save_checkpoint(folder / "last.ckpt", weights_only=False)
    return task


def test_a_fit_begins_with_the_network_of_an_earlier_one_on_its_own_scale(tmp_path):
    class Percent(TwoSources):
        def label_stats(self):
            return 40.0, 10.0

    first = weights(fit(tmp_path / "first"))
    still = partial(torch.optim.SGD, lr=0.0)
    task = fit(tmp_path / "second", Percent(), optimizer=still, init_from=str(tmp_path / "first" / "last.ckpt"))
    second = weights(task)
    assert (second.pop("head.label_mean"), second.pop("head.label_sd")) == (40.0, 10.0)
    assert all(torch.equal(value, first[name]) for name, value in second.items())
    assert task.began_from["path"].endswith("first/last.ckpt") and len(task.began_from["hash"]) == 64


def test_a_resumed_fit_does_not_begin_again(tmp_path):
    fit(tmp_path / "first")
    start = str(tmp_path / "first" / "last.ckpt")
    whole = fit(tmp_path / "whole", init_from=start, epochs=3)
    stopped = fit(tmp_path / "stopped", init_from=start, epochs=1)
    (tmp_path / "first" / "last.ckpt").unlink()
    resumed = fit(tmp_path / "resumed", init_from=start, epochs=3, ckpt_path=tmp_path / "stopped" / "last.ckpt")
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(resumed).items())
    assert resumed.began_from == stopped.began_from == whole.began_from


def test_a_resumed_fit_wants_the_pool_that_it_began_with(tmp_path):
    class Pooled(TwoSources):
        pool_facts = {"hash": "a", "clips": 7}  # noqa: RUF012

    fit(tmp_path / "first", Pooled(), epochs=1)
    again = fit(tmp_path / "again", Pooled(), epochs=2, ckpt_path=tmp_path / "first" / "last.ckpt")
    assert again.pool_facts == Pooled.pool_facts
    with pytest.raises(UserError, match=r"another than.*--restart"):
        fit(tmp_path / "other", TwoSources(), epochs=2, ckpt_path=tmp_path / "first" / "last.ckpt")


def test_another_network_is_refused_by_the_names_of_its_parameters(tmp_path):
    fit(tmp_path)
    other = VQANetwork({"frames": Pixels(3)}, MLPHead(hidden=6))
    task = VQAStudent(other, **losses(), optimizer=SGD, init_from=str(tmp_path / "last.ckpt"))
    with pytest.raises(UserError, match=r"init_from .*branches\.frames\.map\.weight is \(5, 12\), not \(3, 12\)"):
        trainer(tmp_path).fit(task, TwoSources())
    missing = VQAStudent(network(), **losses(), optimizer=SGD, init_from=str(tmp_path / "none.ckpt"))
    with pytest.raises(UserError, match="no such checkpoint"):
        trainer(tmp_path).fit(missing, TwoSources())


def test_what_was_trained_on_held_out_clips_says_so_and_so_does_its_heir(tmp_path):
    class Leaky(TwoSources):
        transductive = True

    start = {"init_from": str(tmp_path / "leaky" / "last.ckpt")}
    found = {
        "fair": fit(tmp_path / "fair"),
        "leaky": fit(tmp_path / "leaky", Leaky()),
        "heir": fit(tmp_path / "heir", **start),
        "resumed": fit(tmp_path / "resumed", epochs=3, ckpt_path=tmp_path / "heir" / "last.ckpt", **start),
    }
    expected = {"fair": False, "leaky": True, "heir": True, "resumed": True}
    assert {name: task.transductive for name, task in found.items()} == expected
    for name, value in expected.items():
        assert torch.load(tmp_path / name / "last.ckpt", weights_only=True)["transductive"] is value
    judged = VQAStudent(network(), **losses(), optimizer=SGD)
    trainer(tmp_path).validate(judged, TwoSources(), ckpt_path=tmp_path / "heir" / "last.ckpt", verbose=False)
    assert judged.transductive


SCRIPT = """
    import sys
    from functools import partial
    import torch
    from lightning_modules.vqa_student import VQAStudent
    from losses.feature_distillation import FeatureDistillation
    from tests.lightning_modules.test_vqa_student import WithTeacher
    from tests.lightning_modules.two_sources import losses, network, trainer

    folder, world = sys.argv[1], int(sys.argv[2])
    torch.manual_seed(0)
    distill = FeatureDistillation("teacher", 4)
    task = VQAStudent(network(), **losses(), optimizer=partial(torch.optim.SGD, lr=0.5), distill=distill)
    fit = trainer(folder, devices=world, strategy="ddp" if world > 1 else "auto", max_epochs=1, limit_val_batches=0)
    fit.fit(task, WithTeacher(sys.argv[3]))
    state = {name: value for name, value in task.state_dict().items() if not name.endswith("contents")}
    torch.save(state, f"{folder}/{world}-{fit.global_rank}.pt")
"""


@pytest.mark.slow
def test_two_ranks_take_the_steps_of_one_process(tmp_path):
    """Two steps with two losses, a memory and features: weights after them differ if any gradient does.

    The first batch is of labels alone; in the second one rank has nothing but labels, the other but the pool.
    """
    origins = "lllllllllplplplp"
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for world in (1, 2):
        words = [sys.executable, str(script), str(tmp_path), str(world), origins]
        subprocess.run(words, check=True, env=environment, timeout=240, cwd=ROOT, capture_output=True)
    one, *two = (torch.load(tmp_path / name) for name in ("1-0.pt", "2-0.pt", "2-1.pt"))
    for name, value in one.items():
        sort = name.endswith(("predictions", "targets"))  # ranks stand behind one another in the memory
        for rank in two:
            ours, theirs = (value.sort().values, rank[name].sort().values) if sort else (value, rank[name])
            torch.testing.assert_close(
                theirs, ours, rtol=1e-4, atol=1e-6, msg=lambda told, name=name: f"{name}: {told}"
            )
    assert any(
        not torch.equal(value, network().state_dict()[name[8:]])
        for name, value in one.items()
        if name.startswith("network.")
    )
