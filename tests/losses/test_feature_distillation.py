"""Features are pulled to a teacher's in direction, not in size."""

import pytest
import torch

from losses.feature_distillation import FeatureDistillation, cosine_distance

torch.set_num_threads(1)


def test_distance_is_that_of_directions() -> None:
    one, other = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 3.0], [0.0, 0.5]])
    assert cosine_distance(one, other) == pytest.approx(0.5)
    assert cosine_distance(5 * one, one) == pytest.approx(0, abs=1e-6)
    assert cosine_distance(one[:0], one[:0]) == 0


def test_gradient_is_that_of_the_formula_in_double() -> None:
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda features: cosine_distance(features, teacher), student)


def test_a_few_steps_bring_a_student_nearer_and_leave_the_teacher_alone() -> None:
    torch.manual_seed(0)
    teacher = torch.randn(16, 8, 6).half()
    trunk, distill = torch.nn.Linear(5, 7), FeatureDistillation("experts", 6)
    distill.build(7)
    views = torch.randn(16, 4, 5)
    optimizer = torch.optim.Adam([*trunk.parameters(), *distill.parameters()], lr=0.03)
    distances = []
    for _ in range(30):
        distance = distill(trunk(views), teacher)
        distances.append(distance.item())
        optimizer.zero_grad()
        distance.backward()
        assert all(part.grad is not None and part.grad.abs().sum() > 0 for part in trunk.parameters())
        optimizer.step()
    assert distances[-1] < 0.6 * distances[0]


@pytest.mark.parametrize("wrong", [{"width": 0}, {"width": 4, "weight": -1.0}, {"width": 4, "weight": float("nan")}])
def test_wrong_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="width"):
        FeatureDistillation("experts", **wrong)
