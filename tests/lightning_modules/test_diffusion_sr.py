"""Each stage trains its own adapter, nothing else moves, and a checkpoint goes only where it belongs."""

import os
import subprocess
import sys
import textwrap

import lightning as L
import pytest
import torch

from callbacks.ema import EMA
from lightning_modules.diffusion_sr import Strength
from records.errors import UserError
from tests.command import ROOT
from tests.lightning_modules.two_stages import SIDE, Pairs, Squared, network, task, trainer

torch.set_num_threads(1)


def whole(model):
    """All tensors by name, also those that no checkpoint holds."""
    return {name: value.detach().clone() for name, value in [*model.named_parameters(), *model.named_buffers()]}


def moved(before, model):
    """Which parts of the network are no longer bit for bit what they were."""
    changed = {name for name, value in whole(model).items() if not torch.equal(value, before[name])}
    return {"pixel" if ".pixel." in name else "semantic" if ".semantic." in name else name for name in changed}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Checkpoint of a trained stage pixel, with the module."""
    folder = tmp_path_factory.mktemp("pixel")
    model = task("pixel")
    before = whole(model)
    fit = trainer(folder, max_epochs=2)
    fit.fit(model, Pairs())
    assert moved(before, model) == {"pixel"}
    fit.save_checkpoint(folder / "pixel.ckpt")
    return str(folder / "pixel.ckpt"), model


@pytest.fixture(scope="module")
def second(first, tmp_path_factory):
    """Checkpoint of a stage semantic that began with it, with the module."""
    folder = tmp_path_factory.mktemp("semantic")
    model = task("semantic", init_from=first[0], perceptual=Squared())
    fit = trainer(folder, max_epochs=2)
    fit.fit(model, Pairs())
    fit.save_checkpoint(folder / "semantic.ckpt")
    return str(folder / "semantic.ckpt"), model


def test_stage_semantic_begins_with_pixel_and_changes_semantic_alone(first, second):
    path, model = first
    began = whole(model)
    assert moved(began, second[1]) == {"semantic"}
    assert model.network.backbone.weights_hash() == second[1].network.backbone.weights_hash()
    assert second[1].began_from["path"] == path and len(second[1].began_from["hash"]) == 64


def test_the_optimiser_holds_what_is_trained_and_no_more(first):
    for stage, more in (("pixel", {}), ("semantic", {"init_from": first[0]})):
        model = task(stage, **more)
        held = [value for group in model.configure_optimizers().param_groups for value in group["params"]]
        wanted = [value for name, value in model.named_parameters() if f".{stage}." in name]
        assert {id(value) for value in held} == {id(value) for value in wanted}


def test_the_losses_of_a_stage_are_its_own(first, tmp_path):
    logged = {}
    for stage, more in (("pixel", {}), ("semantic", {"init_from": first[0]})):
        fit = trainer(tmp_path)
        fit.fit(task(stage, perceptual=Squared(), latent_l2=0.5, **more), Pairs())
        logged[stage] = {name.removeprefix("train/"): float(value) for name, value in fit.callback_metrics.items()}
    assert logged["pixel"].keys() == {"loss", "mse", "latent_l2"}
    terms = logged["semantic"]
    assert terms.keys() == {"loss", "mse", "perceptual", "csd", "csd_gradient", "csd_weight", "latent_l2"}
    weighed = terms["mse"] + 2 * terms["perceptual"] + terms["csd"] + 0.5 * terms["latent_l2"]
    assert terms["loss"] == pytest.approx(weighed, rel=1e-5)
    assert logged["pixel"]["loss"] == pytest.approx(logged["pixel"]["mse"] + 0.5 * logged["pixel"]["latent_l2"])


def calls_of_the_teacher(model, folder):
    sizes = []
    own = model.network.teacher
    model.network.teacher = lambda z, times, prompt: (sizes.append(len(z)), own(z, times, prompt))[1]
    trainer(folder).fit(model, Pairs())
    return sizes


@pytest.mark.slow
def test_no_weight_no_teacher(first, tmp_path):
    assert calls_of_the_teacher(task("semantic", init_from=first[0]), tmp_path) == [4, 4]
    assert calls_of_the_teacher(task("semantic", init_from=first[0], csd=0.0), tmp_path) == []
    assert calls_of_the_teacher(task("pixel"), tmp_path) == []


def test_a_loss_on_latents_alone_decodes_nothing(tmp_path):
    model = task("pixel", mse=0.0, latent_l2=1.0)
    before = whole(model)
    model.network.decode = None
    trainer(tmp_path).fit(model, Pairs())
    assert moved(before, model) == {"pixel"}


def test_a_crop_is_decoded_while_distillation_sees_all(first, tmp_path):
    distance = Squared()
    model = task("semantic", init_from=first[0], perceptual=distance, decode_crop=2)
    seen = []
    own = model.network.teacher
    model.network.teacher = lambda z, times, prompt: (seen.append(z.shape[-1]), own(z, times, prompt))[1]
    trainer(tmp_path).fit(model, Pairs())
    factor = model.network.factor
    assert {shape[-1] for shape in distance.shapes} == {2 * factor} and set(seen) == {SIDE // factor}
    # The truth is cut at the same place: a crop of the encoded truth decodes to about that crop.
    torch.manual_seed(3)
    grid = torch.arange(SIDE // factor * 1.0).view(1, 1, 1, -1).expand(1, 4, SIDE // factor, -1)
    picture = grid[:, :3].repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    latent, truth = model._part(grid, picture)
    assert torch.equal(truth[0, 0, 0, ::factor], latent[0, 0, 0])


def test_each_sample_is_told_something_or_nothing_by_itself():
    model = task("pixel", empty_prompt=0.5)
    positive, empty = (model.network.backbone.prompt(kind) for kind in ("positive", "empty"))
    torch.manual_seed(0)
    told = model.prompts.drawn(positive, 64)
    silent = [torch.equal(each, empty[0]) for each in told]
    assert 16 < sum(silent) < 48
    assert all(torch.equal(each, positive[0]) for each, none in zip(told, silent, strict=True) if not none)
    for chance, kind in ((0.0, positive), (1.0, empty)):
        assert torch.equal(task("pixel", empty_prompt=chance).prompts.drawn(positive, 3), kind.expand(3, -1, -1))


def test_tags_take_the_place_of_the_positive_prompt(first, tmp_path):
    from safetensors.torch import save_file

    model = network()
    backbone = model.backbone
    width = backbone.prompt("positive").shape[1:]
    file = str(tmp_path / "tags.safetensors")
    metadata = {"encoder": str(backbone.encoder_id), "ids": '{"0.png": 1, "1.png": 0, "2.png": 1, "3.png": 0}'}
    rows = torch.stack([torch.zeros(width), torch.ones(width)])
    save_file({"embeddings": rows}, file, metadata=metadata)
    tagged = task("semantic", network=model, init_from=first[0], tags=file, empty_prompt=0.0)
    assert torch.equal(tagged.prompts.positive(["0.png", "3.png"]), rows.flip(0))
    trainer(tmp_path).fit(tagged, Pairs())
    with pytest.raises(UserError, match=r"tags\.safetensors: .*no tags of 9\.png"):
        tagged.prompts.positive(["9.png"])
    save_file({"embeddings": rows}, file, metadata={**metadata, "encoder": "other"})
    with pytest.raises(UserError, match="another text encoder"):
        task("pixel", tags=file).prompts.positive(["0.png"])


def test_a_checkpoint_holds_adapters_alone(first, second):
    for (path, model), names in ((first, {"pixel"}), (second, {"pixel", "semantic"})):
        checkpoint = torch.load(path, weights_only=True)
        state = checkpoint["state_dict"]
        assert all(".lora_" in name for name in state) and {name.split(".")[-2] for name in state} == names
        own = whole(model)
        assert all(torch.equal(value, own[name]) for name, value in state.items())
        # Of every adapted layer a rank's rows and columns, in float32; the optimiser's two moments of what trains.
        trained = sum(value.numel() for value in model.network.trainable().values())
        kept = sum(value.numel() for value in state.values())
        assert os.path.getsize(path) < 4 * (kept + 2 * trained) * 1.02 + 400_000
        facts = checkpoint["adapters"]
        assert facts["stage"] == model.stage and facts["ranks"].keys() == names and len(facts["targets"]) == 14
        assert facts["base_weights"] == model.network.backbone.weights_hash()
        assert facts["prompts"]["policy"] == "fixed" and facts["prompts"]["empty"] == 0.5


def test_a_reloaded_checkpoint_restores_the_same(second, tmp_path):
    path, model = second
    again = task("semantic", init_from="unused", perceptual=Squared())
    runs = [trainer(tmp_path, limit_val_batches=1.0) for _ in range(2)]
    runs[0].validate(model, Pairs(), verbose=False)
    runs[1].validate(again, Pairs(), ckpt_path=path, verbose=False)
    assert moved(whole(model), again) == set()
    assert runs[0].callback_metrics == runs[1].callback_metrics and "val/psnr" in runs[0].callback_metrics
    assert again.began_from == model.began_from


def test_a_checkpoint_of_the_other_stage_is_refused(first, second, tmp_path):
    cases = [
        (task("semantic", init_from=first[0]), first[0], "stage is 'pixel', not 'semantic'"),
        (task("pixel"), second[0], "stage is 'semantic', not 'pixel'"),
    ]
    for model, path, told in cases:
        for run in ("fit", "validate"):
            with pytest.raises(UserError, match=told) as caught:
                getattr(trainer(tmp_path, limit_val_batches=1.0), run)(model, datamodule=Pairs(), ckpt_path=path)
            assert "\n" not in str(caught.value)


def test_a_fit_begins_only_with_what_fits(first, second, tmp_path):
    other = network()
    with torch.no_grad():
        next(other.backbone.unet.parameters()).add_(1)
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    broken = torch.load(first[0], weights_only=True)
    taken = next(iter(broken["state_dict"]))
    del broken["state_dict"][taken]
    torch.save(broken, tmp_path / "broken.ckpt")
    extra = torch.load(first[0], weights_only=True)
    extra["state_dict"]["network.more"] = torch.zeros(1)
    torch.save(extra, tmp_path / "extra.ckpt")
    cases = [
        (lambda: task("semantic"), "needs a trained adapter pixel"),
        (lambda: task("semantic", init_from=second[0]), "stage is 'semantic', not 'pixel'"),
        (lambda: task("pixel", init_from=second[0]), "stage is 'semantic', not 'pixel'"),
        (lambda: task("semantic", rank=3, init_from=first[0]), r"ranks is \{'pixel': 2\}, not \{'pixel': 3\}"),
        (lambda: task("semantic", network=other, init_from=first[0]), "base_weights is"),
        (lambda: task("semantic", init_from=str(tmp_path / "foreign.ckpt")), "no checkpoint of such a model"),
        (lambda: task("semantic", init_from=str(tmp_path / "none.ckpt")), "no such checkpoint"),
        (lambda: task("semantic", init_from=str(tmp_path / "broken.ckpt")), f"1 missing: {taken}"),
        (lambda: task("semantic", init_from=str(tmp_path / "extra.ckpt")), r"1 unknown: network\.more"),
    ]
    for make, told in cases:
        with pytest.raises(UserError, match=told) as caught:
            trainer(tmp_path).fit(make(), Pairs())
        assert "init_from" in str(caught.value) and "\n" not in str(caught.value)
    # The same total miss in a checkpoint to go on from.
    for name, told in (("broken", "1 missing"), ("extra", "1 unknown")):
        with pytest.raises(UserError, match=told):
            trainer(tmp_path).fit(task("pixel"), Pairs(), ckpt_path=tmp_path / f"{name}.ckpt")


def test_one_adapter_can_learn_everything_at_once(tmp_path):
    model = task("semantic", pixel_adapter=False)
    before = whole(model)
    trainer(tmp_path).fit(model, Pairs())
    assert moved(before, model) == {"semantic"}
    # The untrained adapter is without effect: the base plus one adapter.
    latent = torch.randn(1, 4, 4, 4)
    both = model.network.restore_latent(latent)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if ".lora_B.pixel." in name:
                assert not value.any()
            if ".lora_A.pixel." in name:
                value.zero_()
    assert torch.equal(model.network.restore_latent(latent), both)
    for more in ({"stage": "pixel"}, {"stage": "semantic", "init_from": "x.ckpt"}):
        with pytest.raises(ValueError, match="pixel_adapter is false"):
            task(pixel_adapter=False, **more)


def test_losses_without_any_weight_are_refused():
    with pytest.raises(ValueError, match="all losses have weight 0"):
        task("pixel", mse=0.0)
    with pytest.raises(ValueError, match=r"empty_prompt 1\.5"):
        task("pixel", empty_prompt=1.5)


class Save(L.Callback):
    """Save in the middle of an epoch, and end the run there as a signal does."""

    def __init__(self, after, leave=True):
        self.after, self.leave = after, leave

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        if trainer.fit_loop.epoch_loop.total_batch_idx + 1 == self.after:
            trainer.save_checkpoint(f"{trainer.default_root_dir}/cut.ckpt")
            if self.leave:
                raise KeyboardInterrupt


@pytest.mark.parametrize("averaged", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_fit_that_is_cut_between_two_steps_goes_on_bit_for_bit(first, tmp_path, averaged):
    def run(*callbacks, **more):
        model = task("semantic", init_from=first[0], perceptual=Squared())
        callbacks = [*callbacks, *([EMA(0.7)] if averaged else [])]
        options = {"max_epochs": 2, "accumulate_grad_batches": 3, "callbacks": callbacks}
        fit = trainer(tmp_path, **options)
        fit.fit(model, Pairs(count=5, batch=1), **more)
        return model

    at_once = run()
    with pytest.raises(SystemExit):
        run(Save(2))
    cut = torch.load(tmp_path / "cut.ckpt", weights_only=True)
    assert cut["accumulated_gradients"].keys() == {name for name in cut["state_dict"] if ".semantic." in name}
    assert moved(whole(at_once), run(ckpt_path=tmp_path / "cut.ckpt")) == set()


def test_averaging_leaves_the_base_alone_and_out_of_checkpoints(first, tmp_path):
    model = task("semantic", init_from=first[0])
    average = EMA(0.5)
    before = whole(model)
    fit = trainer(tmp_path, callbacks=[average, Save(4, leave=False)], max_epochs=2, limit_val_batches=1.0)
    fit.fit(model, Pairs())
    taken_over = {name: value for name, value in whole(first[1]).items() if ".pixel." in name}
    assert moved(before | taken_over, model) == {"semantic"}
    checkpoint = torch.load(tmp_path / "cut.ckpt", weights_only=True)
    assert checkpoint["state_dict"].keys() == checkpoint["current_model_state"].keys() == model.state_dict().keys()
    copy = average._average_model.module.network.backbone.unet.get_parameter("conv_in.base_layer.weight")
    assert copy is model.network.backbone.unet.get_parameter("conv_in.base_layer.weight")
    raw = checkpoint["current_model_state"]
    assert any(not torch.equal(value, raw[name]) for name, value in checkpoint["state_dict"].items())


@pytest.mark.parametrize("stage", ["pixel", "semantic"])
def test_each_domain_is_restored_as_its_profile_says(first, tmp_path, stage):
    inference = {"synthetic": Strength(1.0, 0.25), "wild": Strength(0.8, 1.5)}
    model = task(stage, inference=inference, **({"init_from": first[0]} if stage == "semantic" else {}))
    asked = []
    own = model.network.restore_latent
    model.network.restore_latent = lambda z, pix, sem, *more, **named: (
        asked.append((pix, sem)),
        own(z, pix, sem, *more, **named),
    )[1]
    rows = trainer(tmp_path).predict(model, Pairs())
    assert [tuple(row["sr"].shape) for row in rows] == [(1, 3, SIDE, SIDE), (1, 3, 13, 21)]
    assert all(row["sr"].min() >= 0 and row["sr"].max() <= 1 for row in rows)
    assert list(dict.fromkeys(asked)) == (
        [(1.0, 0.25), (0.8, 1.5)] if stage == "semantic" else [(1.0, 0.0), (0.8, 0.0)]
    )


class Writer(L.Callback):
    """Writes candidates, and says so as the real one does."""

    replaces_predictions = True


def test_a_writer_of_candidates_gets_both_of_every_image(first, second, tmp_path):
    model = task("semantic", init_from=first[0], inference={"synthetic": Strength(0.7, 0.3)})
    rows = trainer(tmp_path, callbacks=[Writer()]).predict(model, Pairs(), ckpt_path=second[0])
    assert all(row.keys() == {"id", "psnr", "per", "facts"} for row in rows)
    lr = Pairs().pair(100)["lr"][None]
    picture = torch.nn.functional.interpolate(lr, scale_factor=4, mode="bicubic").clamp(0, 1)
    with torch.no_grad():
        wanted = {"psnr": model.network(picture, 1.0, 0.0), "per": model.network(picture, 1.0, 1.0)}
    for name, value in wanted.items():
        assert torch.allclose(rows[0][name], value, atol=1e-5)
    assert (rows[0]["psnr"] - rows[0]["per"]).abs().max() > 1e-4
    assert rows[0]["facts"]["guidances"] == {"psnr": [1.0, 0.0], "per": [1.0, 1.0]}
    # Stage pixel has but one, which the writer tells the user.
    rows = trainer(tmp_path, callbacks=[Writer()]).predict(task("pixel"), Pairs(), ckpt_path=first[0])
    assert all(row.keys() == {"id", "sr"} for row in rows)


SCRIPT = """
    import sys
    import torch
    from tests.lightning_modules.two_stages import Pairs, Squared, task, trainer

    folder = sys.argv[1]
    path = f"{folder}/pixel.ckpt"
    for stage, more in (("pixel", {}), ("semantic", {"init_from": path, "perceptual": Squared()})):
        model = task(stage, **more)
        fit = trainer(folder, devices=2, strategy="ddp", max_epochs=2)
        fit.fit(model, Pairs())
        torch.save(dict(model.named_parameters()), f"{folder}/{stage}-{fit.global_rank}.pt")
        if stage == "pixel":
            fit.save_checkpoint(path)
"""


@pytest.mark.slow
def test_two_ranks_hold_the_same_adapters_after_either_stage(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(words, env=environment, timeout=240, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    began = dict(task("pixel").named_parameters())
    for stage in ("pixel", "semantic"):
        one, two = (torch.load(tmp_path / f"{stage}-{rank}.pt") for rank in (0, 1))
        assert all(torch.equal(value, two[name]) for name, value in one.items())
        changed = {name for name, value in one.items() if not torch.equal(value, began[name])}
        assert {name.split(".")[-2] for name in changed} == {stage}
        began = one
