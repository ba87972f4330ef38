"""Counting multiply-accumulates: known trunks, what must not be lost, what must be told."""

import pytest
import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, flop_registry, register_flop_formula

from metrics.macs import UncountableError, count_macs, countable, fvcore_macs

torch.set_num_threads(1)

# Trunk without classifier, input side, options, GMACs, million parameters.
TRUNKS = [
    ("swin_tiny_patch4_window7_224", 224, {}, 4.490, 27.519),
    ("swin_tiny_patch4_window7_224", 256, {"img_size": 256, "window_size": 8}, 5.920, 27.527),
    ("swinv2_tiny_window8_256", 256, {}, 5.939, 27.578),
    ("convnext_tiny", 224, {}, 4.455, 27.820),
    ("efficientnet_b0", 224, {}, 0.385, 4.008),
    ("mobilenetv3_large_100", 224, {}, 0.215, 4.202),
    ("resnet50", 224, {}, 4.087, 23.51),
    ("vit_small_patch16_224", 224, {}, 4.598, 21.67),
]


def trunk(name: str, **options) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model(name, num_classes=0, **options)


def image(size: int, batch: int = 1) -> torch.Tensor:
    return torch.empty(batch, 3, size, size, device="meta")


@pytest.mark.parametrize(("name", "size", "options", "gmacs", "params_m"), TRUNKS)
def test_known_trunks(name: str, size: int, options: dict, gmacs: float, params_m: float) -> None:
    count = count_macs(trunk(name, **options), (image(size),))
    assert count.macs / 1e9 == pytest.approx(gmacs, rel=0.01)
    assert count.parameters / 1e6 == pytest.approx(params_m, rel=0.001)
    assert count.unused == 0 and count.uncounted == ()


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "resnet50"])
def test_fvcore_agrees_within_a_hundredth(name: str) -> None:
    pytest.importorskip("fvcore")
    module = trunk(name)
    assert count_macs(module, (image(224),)).macs == pytest.approx(fvcore_macs(module, (image(224),)), rel=0.01)


def test_frames_multiply_the_cost_exactly() -> None:
    module = trunk("test_vit")
    assert count_macs(module, (image(160, 8),)).macs == 8 * count_macs(module, (image(160),)).macs


def test_a_transformer_layer_in_eval_mode_counts_whole() -> None:
    layer = nn.TransformerEncoderLayer(768, 8, 2048, batch_first=True, norm_first=True).to("meta").eval()
    tokens, width, hidden = 8, 768, 2048
    attention = 2 * tokens * tokens * width
    assert count_macs(layer, (torch.empty(1, 8, 768),)).macs == (
        tokens * (4 * width * width + 2 * width * hidden) + attention
    )


def test_fused_attention_is_not_lost() -> None:
    class Attention(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x)

    assert count_macs(Attention(), (torch.zeros(1, 4, 10, 16),)).macs == 2 * 4 * 10 * 10 * 16


def test_what_the_counter_cannot_see_into_is_off_on_any_device() -> None:
    class Attention(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x)

    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True).eval()
    heads = torch.zeros(1, 4, 10, 16)
    for module, given, macs in (
        (layer, torch.zeros(1, 8, 16), 8 * (4 * 256 + 2 * 512) + 2 * 8 * 8 * 16),
        (Attention(), heads, 2 * 4 * 10 * 10 * 16),
    ):
        counter = FlopCounterMode(display=False)
        with countable(), counter:
            module(given)
        assert counter.get_total_flops() == 2 * macs


def test_recurrent_layers_count() -> None:
    count = count_macs(nn.LSTM(16, 32), (torch.zeros(5, 1, 16),))
    assert count.macs == 5 * 4 * 32 * (16 + 32)
    assert count.uncounted == ()


def test_the_module_is_neither_moved_nor_switched() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    count_macs(module, (torch.randn(3, 4),))
    assert module.training and module[0].weight.device.type == "cpu" and module[0].weight.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_attention_settings_come_back_also_after_an_error() -> None:
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise KeyError("broken")

    for fast in (True, False):
        torch.backends.mha.set_fastpath_enabled(fast)
        try:
            with pytest.raises(KeyError):
                count_macs(Broken(), (torch.zeros(1),))
            assert torch.backends.mha.get_fastpath_enabled() is fast
        finally:
            torch.backends.mha.set_fastpath_enabled(True)


def test_shared_parameters_count_once_and_unused_ones_apart() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(8, 8, bias=False)
            self.second = self.first
            self.classifier = nn.Linear(8, 1000)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x))

    count = count_macs(Net(), (torch.zeros(1, 8),))
    assert (count.macs, count.parameters, count.unused) == (128, 64, 9000)


def test_parts_and_rest_make_the_whole() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branches = nn.ModuleDict({"a": nn.Linear(8, 8), "b": nn.Linear(8, 4)})
            self.outside = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            twice = self.branches["a"](self.branches["a"](x))
            return self.outside(self.branches["b"](twice))

    count = count_macs(Net(), (torch.zeros(3, 8),), {"a": "branches.a", "b": "branches.b"})
    assert (count.parts["a"].macs, count.parts["a"].parameters) == (2 * 3 * 64, 72)
    assert (count.parts["b"].macs, count.parts["b"].parameters) == (3 * 32, 36)
    assert (count.rest.macs, count.rest.parameters) == (3 * 8, 10)


class Calls(nn.Module):
    """Applies a function to the input and a weight."""

    def __init__(self, function, *shape: int) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.zeros(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x, self.weight)


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda x, w: nn.functional.grid_sample(x, x.new_zeros(1, 4, 4, 2), align_corners=False), "grid_sampler_2d"),
        (lambda x, w: torch.fft.rfft2(x).real, "_fft_r2c"),
        (lambda x, w: torch.cumsum(x, 1), "cumsum"),
        (lambda x, w: nn.functional.interpolate(x, scale_factor=2, mode="bicubic"), "upsample_bicubic2d"),
    ],
)
def test_arithmetic_without_a_formula_is_told(function, operator: str) -> None:
    assert any(operator in name for name in count_macs(Calls(function, 2), (torch.zeros(1, 3, 8, 8),)).uncounted)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: torch.roll(x, 1, 2).permute(0, 2, 3, 1).contiguous()[:, ::2],
        lambda x, w: nn.functional.pad(x, (1, 1, 1, 1), mode="reflect").relu_().add_(1).mean((2, 3)),
        lambda x, w: x * w.view(1, 3, 1, 1) + w.view(3, 1, 1),
        lambda x, w: torch.cat([x, x]).softmax(1).std(1),
        lambda x, w: nn.functional.layer_norm(x, (8,)).gather(
            1, torch.zeros(1, 1, 8, 8, dtype=torch.long, device=x.device)
        ),
    ],
)
def test_copies_norms_and_elementwise_work_are_free_without_a_word(function) -> None:
    count = count_macs(Calls(function, 3), (torch.zeros(1, 3, 8, 8),))
    assert count.macs == 0 and count.uncounted == ()


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: (x[:, :, None] * w).sum(1),
        lambda x, w: (x[:, :, None] * w.t().contiguous().t().double().float()).sum(1),
        lambda x, w: torch.cdist(x, w),
        lambda x, w: torch.mv(w, x[0]),
    ],
)
def test_a_matrix_whose_products_no_formula_counts_is_an_error(function) -> None:
    with pytest.raises(UncountableError, match="weight"):
        count_macs(Calls(function, 6, 6), (torch.zeros(4, 6),))


def test_changes_of_the_weights_themselves_are_no_silent_zero() -> None:
    def standardised(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        scale = w.std(1, keepdim=True) + 1e-5
        return nn.functional.linear(x, (w - w.mean(1, keepdim=True)) / scale * w.abs())

    assert count_macs(Calls(standardised, 6, 6), (torch.zeros(4, 6),)).macs == 4 * 36


def test_a_lookup_is_no_silent_zero() -> None:
    assert count_macs(nn.Embedding(10, 4), (torch.zeros(3, dtype=torch.long),)).macs == 0


def test_an_own_operator_needs_a_formula() -> None:
    @torch.library.custom_op("macs_test::mix", mutates_args=())
    def mix(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return x @ w

    @mix.register_fake
    def _(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return x.new_empty(x.shape[0], w.shape[1])

    module = Calls(torch.ops.macs_test.mix, 6, 5)
    with pytest.raises(UncountableError, match=r"weight.*macs_test\.mix"):
        count_macs(module, (torch.zeros(4, 6),))

    @register_flop_formula(torch.ops.macs_test.mix)
    def mix_flop(x_shape, w_shape, *args, out_shape=None, **kwargs) -> int:
        return 2 * x_shape[0] * x_shape[1] * w_shape[1]

    try:
        count = count_macs(module, (torch.zeros(4, 6),))
    finally:
        del flop_registry[torch.ops.macs_test.mix]
    assert count.macs == 4 * 6 * 5 and count.uncounted == ()


def test_a_forward_that_needs_values_is_refused() -> None:
    with pytest.raises(UncountableError, match="shapes alone"):
        count_macs(Calls(lambda x, w: x * float(x.sum()), 2), (torch.zeros(2),))


def test_it_is_torchs_counter_halved() -> None:
    module = trunk("test_vit")
    counter = FlopCounterMode(display=False)
    with countable(), counter:
        module.eval()(image(160))
    assert count_macs(module, (image(160),)).macs == counter.get_total_flops() / 2
