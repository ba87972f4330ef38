"""The ControlNet learns to find noise, its checkpoint holds what was trained, and each domain is sampled in its way."""

from functools import partial

import pytest
import torch

from callbacks.ema import EMA
from lightning_modules.controlnet_sr import ControlNetSR, Guidance
from models.sr.backbone import DiffusionBackbone
from models.sr.controlled import ControlledSR
from models.sr.semantic_encoders import TinyEncoder
from records.errors import UserError
from tests.lightning_modules.two_stages import SIDE, Pairs, trainer

torch.set_num_threads(1)
FAST = {"synthetic": Guidance(0.9, steps=2), "wild": Guidance(8.5, steps=2, eta=0.0, colour="wavelet")}


def task(semantics=True, channels=5, **more):
    torch.manual_seed(0)
    network = ControlledSR(DiffusionBackbone(shape="tiny"), TinyEncoder(channels, 6) if semantics else None)
    more.setdefault("optimizer", partial(torch.optim.AdamW, lr=1e-3))
    return ControlNetSR(network, inference=FAST, **more)


def parts(model):
    return {name: value.detach().clone() for name, value in [*model.named_parameters(), *model.named_buffers()]}


@pytest.fixture(scope="module", params=[True, False], ids=["sam2-like", "plain"])
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("control")
    model = task(request.param)
    before = parts(model)
    fit = trainer(folder, max_epochs=2, callbacks=[EMA(0.5)])
    fit.fit(model, Pairs())
    fit.save_checkpoint(folder / "a.ckpt")
    return request.param, model, before, folder / "a.ckpt"


def test_only_controlnet_and_adapter_move_and_are_kept(trained):
    semantics, model, before, path = trained
    moved = {name.split(".")[1] for name, value in parts(model).items() if not torch.equal(value, before[name])}
    assert moved == ({"control", "adapter"} if semantics else {"control"})
    checkpoint = torch.load(path, weights_only=True)
    assert {name.split(".")[1] for name in checkpoint["state_dict"]} == moved
    assert checkpoint["adapters"]["base_weights"] == model.network.backbone.weights_hash()
    assert model.stand_ins == (["semantics"] if semantics else [])


def test_a_checkpoint_restores_the_same_picture_and_only_for_its_own_encoder(trained, tmp_path):
    semantics, model, _, path = trained
    again = task(semantics)
    asked = []
    own = again.network.restore
    again.network.restore = lambda picture, *words: (asked.append(words[:3]), own(picture, *words))[1]
    ours = trainer(tmp_path).predict(model, Pairs())
    theirs = trainer(tmp_path).predict(again, Pairs(), ckpt_path=path)
    assert all(torch.equal(one["sr"], two["sr"]) for one, two in zip(ours[:1], theirs[:1], strict=True))
    assert [tuple(row["sr"].shape) for row in theirs] == [(1, 3, SIDE, SIDE), (1, 3, 13, 21)]
    # Guidance below one for synthetic images, far above it for wild ones.
    assert asked == [(2, 0.9, 1.0), (2, 8.5, 0.0)]
    with pytest.raises(UserError, match="its semantics is"):
        trainer(tmp_path).predict(task(not semantics), Pairs(), ckpt_path=path)
    if semantics:
        other = task()
        other.network.semantics.mix.weight.data += 1
        with pytest.raises(UserError, match="its semantics_weights is"):
            trainer(tmp_path).predict(other, Pairs(), ckpt_path=path)


def test_training_lowers_the_error_of_noise(tmp_path):
    class Fixed(ControlNetSR):
        def on_train_batch_start(self, batch, batch_idx):
            torch.manual_seed(batch_idx)

    torch.manual_seed(0)
    network = ControlledSR(DiffusionBackbone(shape="tiny"))
    model = Fixed(network, partial(torch.optim.Adam, lr=3e-3), empty_prompt=0.0)
    losses = []
    own = model.training_step
    model.training_step = lambda *words: (losses.append(own(*words)), losses[-1])[1]
    trainer(tmp_path, max_epochs=12).fit(model, Pairs(count=2))
    assert losses[-1].item() < 0.8 * losses[0].item()


def test_noise_depends_on_the_image_and_not_on_its_place(tmp_path):
    model = task(False).eval()
    picture = torch.rand(1, 3, 8, 8)
    batch = {"id": ["a.png"], "lr": picture, "domain": ["synthetic"], "scale": 4}
    one, other = model.restore(batch), model.restore({**batch, "id": ["b.png"]})
    torch.manual_seed(99)
    assert torch.equal(model.restore(batch), one) and not torch.equal(one, other)


def test_each_sample_is_told_by_itself():
    with pytest.raises(ValueError, match="empty_prompt"):
        task(empty_prompt=-0.1)
