import json
import math
import pickle
from collections import Counter
from itertools import pairwise

import pytest

from datamodules.image.degradation import Degradation, Plan
from datamodules.image.degradation.plan import Blur, Noise, Resize
from datamodules.image.degradation.presets import KERNEL_SIZES, KERNELS, PRESETS, RESIZERS, Order, Range
from records.errors import UserError
from records.hashing import value_hash

SIZE = (64, 48)
# A changed hash means that recorded seeds give other pictures than before.
HASHES = {
    ("realesrgan", 0): "c03ba007748bb3ee",
    ("pisasr", 0): "2fe48be685ae0b36",
    ("kwai", 3): "4c952e1067dc68c7",
    ("kwai", 5): "f8bc0e306824be34",
}


@pytest.fixture(scope="module")
def plans() -> dict[str, list[Plan]]:
    """Many plans of each preset."""
    return {name: [Degradation(name).plan(0, 0, f"{i}.png", SIZE) for i in range(2000)] for name in PRESETS}


@pytest.mark.parametrize(("preset", "seed"), HASHES)
def test_a_seed_gives_the_draws_it_always_gave(preset, seed):
    assert value_hash(Degradation(preset).plan(seed, 3, "a/b.png", SIZE).record()) == HASHES[preset, seed]


def test_draws_depend_on_seed_epoch_and_id_and_on_nothing_else():
    degradation = Degradation("kwai")
    plan = degradation.plan(1, 2, "a.png", SIZE)
    assert Degradation("kwai").plan(1, 2, "a.png", SIZE) == plan
    others = [degradation.plan(*key, SIZE) for key in ((2, 2, "a.png"), (1, 1, "a.png"), (1, 2, "b.png"))]
    assert len({value_hash(other.record()) for other in [plan, *others]}) == 4


def within(value: float, range: Range) -> None:
    assert range[0] <= value <= range[1]


def check_blur(blur: Blur, sigma: Range) -> None:
    assert blur.size in KERNEL_SIZES
    if blur.kind == "sinc":
        within(blur.cutoff, (math.pi / (3 if blur.size < 13 else 5), math.pi))
        return
    within(blur.sigma_x, sigma)
    within(blur.sigma_y, sigma)
    within(blur.angle, (-math.pi, math.pi))
    assert blur.kind.endswith("aniso") or (blur.sigma_x == blur.sigma_y and blur.angle == 0)
    family = blur.kind.partition("_")[0]
    within(blur.beta, {"generalized": (0.5, 4), "plateau": (1, 2)}.get(family, (1, 1)))


def check_resize(resize: Resize, order: Order) -> None:
    within(resize.factor, order.factor)
    assert resize.mode in RESIZERS


def check_noise(noise: Noise, order: Order) -> None:
    within(noise.strength, order.gaussian if noise.kind == "gaussian" else order.poisson)


@pytest.mark.parametrize("preset", PRESETS)
def test_draws_lie_in_the_ranges_of_the_table(plans, preset):
    table = PRESETS[preset]
    for plan in plans[preset]:
        for blur, order in ((plan.blur_1, table.first), (plan.blur_2, table.second)):
            if blur is not None:
                check_blur(blur, order.sigma)
        for number, order in (("1", table.first), ("2", table.second)):
            check_resize(getattr(plan, f"resize_{number}"), order)
            check_noise(getattr(plan, f"noise_{number}"), order)
            within(getattr(plan, f"jpeg_{number}"), order.jpeg)
        if plan.last_sinc is not None:
            within(plan.last_sinc.cutoff, (math.pi / 3, math.pi))
        if plan.codec is not None:
            within(plan.codec.crf, table.crf)
            assert len(plan.codec.shifts) in (0, 2, 3, 4)
            path = [*plan.codec.shifts, (0, 0)]
            assert all(1 <= max(abs(a - c), abs(b - d)) <= 2 for (a, b), (c, d) in pairwise(path))


@pytest.mark.parametrize("preset", PRESETS)
def test_branches_occur_as_often_as_the_table_says(plans, preset):
    table, drawn = PRESETS[preset], plans[preset]

    def often(share: float, condition) -> None:
        # Five standard deviations of a count: chance alone fails one test in a million.
        count = sum(map(condition, drawn))
        assert abs(count - share * len(drawn)) <= 5 * math.sqrt(share * (1 - share) * len(drawn))

    for kind, share in KERNELS.items():
        often(0.9 * share, lambda plan, kind=kind: plan.blur_1.kind == kind)
    often(0.1, lambda plan: plan.blur_1.kind == "sinc")
    often(table.second.blur, lambda plan: plan.blur_2 is not None)
    often(0.8, lambda plan: plan.last_sinc is not None)
    often(0.5, lambda plan: plan.jpeg_last)
    often(table.codec, lambda plan: plan.codec is not None)
    often(table.codec / 2, lambda plan: plan.codec is not None and not plan.codec.shifts)
    for number, order in (("1", table.first), ("2", table.second)):
        often(order.up, lambda plan, number=number: getattr(plan, f"resize_{number}").factor > 1)
        often(order.down, lambda plan, number=number: getattr(plan, f"resize_{number}").factor < 1)
        often(0.5, lambda plan, number=number: getattr(plan, f"noise_{number}").kind == "poisson")
        often(0.4, lambda plan, number=number: getattr(plan, f"noise_{number}").grey)
    for mode in RESIZERS:
        often(1 / 3, lambda plan, mode=mode: plan.last_mode == mode)
    ends = Counter(plan.jpeg_1 for plan in drawn)
    assert {min(ends), max(ends)} == set(map(int, table.first.jpeg))


def test_a_codec_changes_no_other_draw(plans):
    for kwai, pisasr in zip(plans["kwai"], plans["pisasr"], strict=True):
        assert {**kwai.record(), "codec": None} == pisasr.record()


def test_a_record_brings_the_plan_back_through_json(plans):
    for drawn in plans.values():
        for plan in drawn[:50]:
            assert Plan.from_record(json.loads(json.dumps(plan.record()))) == plan


def test_ranges_and_the_probability_of_the_codec_can_be_replaced():
    degradation = Degradation("pisasr", codec=1, ranges={"second.jpeg": (40, 42), "crf": (30, 30)})
    drawn = [degradation.plan(0, 0, str(i), SIZE) for i in range(60)]
    assert {plan.jpeg_2 for plan in drawn} == {40, 41, 42}
    assert {plan.codec.crf for plan in drawn} == {30}
    assert any(plan.jpeg_1 > 60 for plan in drawn)


@pytest.mark.parametrize(
    "settings",
    [
        {"preset": "bsrgan"},
        {"scale": 0},
        {"codec": 1.5},
        {"ranges": {"third.jpeg": (1, 2)}},
        {"ranges": {"first": (1, 2)}},
        {"ranges": {"first.up": (0, 1)}},
        {"ranges": {"first.jpeg": (90, 30)}},
    ],
)
def test_wrong_settings_are_told(settings):
    with pytest.raises(UserError):
        Degradation(**settings)


@pytest.mark.parametrize("size", [(63, 64), (64, 62), (0, 64)])
def test_a_size_that_the_scale_does_not_divide_is_refused(size):
    with pytest.raises(UserError, match=r"a\.png: sides of .* are no multiples of scale 4"):
        Degradation().plan(0, 0, "a.png", size)


def test_a_degradation_travels_to_workers():
    degradation = pickle.loads(pickle.dumps(Degradation("kwai", 2, ranges={"crf": (20, 21)})))
    assert degradation.plan(0, 0, "a", SIZE) == Degradation("kwai", 2, ranges={"crf": (20, 21)}).plan(0, 0, "a", SIZE)
