import pytest
import torch

from losses.csd import csd_loss

ALPHAS = torch.linspace(0.999, 0.005, 1000, dtype=torch.float64)
NEGATIVE, POSITIVE = torch.full((1, 2, 3), -1.0), torch.full((1, 2, 3), 1.0)


def teacher(z, times, prompts):
    """Another noise for each prompt and time step."""
    said = prompts.mean((1, 2)).to(z.dtype).view(-1, 1, 1, 1)
    return torch.tanh(z * (1 + times.view(-1, 1, 1, 1) / 1000)) + 0.1 * said * z.roll(1, -1)


def latent(dtype=torch.float64, b=3):
    return torch.randn(b, 4, 6, 5, dtype=dtype, generator=torch.Generator().manual_seed(4)).requires_grad_()


def test_the_gradient_is_twice_g_over_n():
    z, times = latent(), torch.tensor([20, 250, 499])
    noise = torch.randn(z.shape, dtype=z.dtype, generator=torch.Generator().manual_seed(5))
    loss, told = csd_loss(z, teacher, ALPHAS, NEGATIVE, POSITIVE, times=times, noise=noise)
    loss.backward()
    want, sizes, weights = torch.zeros_like(z), [], []
    for at, t in enumerate(times):  # sample by sample, as the formulas stand
        a, one = ALPHAS[t], z.detach()[at : at + 1]
        noisy = a**0.5 * one + (1 - a) ** 0.5 * noise[at : at + 1]
        e_neg, e_pos = (teacher(noisy, t[None], prompt) for prompt in (NEGATIVE, POSITIVE))
        e_cfg = e_neg + 7.5 * (e_pos - e_neg)
        x_neg, x_cfg = ((noisy - (1 - a) ** 0.5 * e) / a**0.5 for e in (e_neg, e_cfg))
        w = (one - x_cfg).abs().mean()
        g = (x_neg - x_cfg) / w
        want[at] = 2 * g[0] / z.numel()
        sizes.append(g.abs().mean())
        weights.append(w)
    assert want.abs().max() > 1e-4
    torch.testing.assert_close(z.grad, want, rtol=0, atol=1e-10)
    torch.testing.assert_close(told["csd_gradient"], torch.stack(sizes).mean())
    torch.testing.assert_close(told["csd_weight"], torch.stack(weights).mean())


def test_equal_prompts_teach_nothing():
    z = latent()
    loss, told = csd_loss(z, teacher, ALPHAS, POSITIVE, POSITIVE)
    loss.backward()
    assert loss == 0 and told["csd_gradient"] == 0 and not z.grad.any()
    assert csd_loss(z, teacher, ALPHAS, NEGATIVE, POSITIVE)[0] > 0


def test_the_teacher_is_asked_once_about_both_prompts_and_without_gradients():
    asked = []

    def listen(z, times, prompts):
        asked.append((z, times, prompts, torch.is_grad_enabled()))
        return teacher(z, times, prompts)

    own = torch.randn(3, 2, 3)
    csd_loss(latent(), listen, ALPHAS, NEGATIVE, own)
    ((z, times, prompts, graded),) = asked
    assert len(z) == len(times) == 6 and not graded
    assert torch.equal(z[:3], z[3:]) and torch.equal(times[:3], times[3:])
    assert torch.equal(prompts, torch.cat([NEGATIVE.expand(3, -1, -1), own]))


def test_time_steps_fill_their_range_and_follow_the_generator():
    drawn = []

    def listen(z, times, prompts):
        drawn.append(times)
        return z

    z = torch.zeros(4000, 1, 1, 1)
    for seed in (1, 1, 2):
        csd_loss(z, listen, ALPHAS, NEGATIVE, POSITIVE, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert int(torch.cat(drawn).min()) == 20 and int(torch.cat(drawn).max()) == 499
    assert drawn[0][:4000].unique().numel() > 450


def test_half_precision_latents_and_teachers_are_computed_in_single_precision():
    z, times = latent(torch.float32), torch.tensor([20, 250, 499])
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(5))

    def coarse(z, times, prompts):
        assert z.dtype == torch.float32
        return teacher(z, times, prompts).bfloat16()

    rounded = z.detach().bfloat16().requires_grad_()
    loss, told = csd_loss(rounded, coarse, ALPHAS.float(), NEGATIVE, POSITIVE, times=times, noise=noise)
    assert loss.dtype == told["csd_weight"].dtype == torch.float32
    loss.backward()
    csd_loss(z, teacher, ALPHAS.float(), NEGATIVE, POSITIVE, times=times, noise=noise)[0].backward()
    assert (rounded.grad.float() - z.grad).abs().max() < 0.05 * z.grad.abs().max()


@pytest.mark.parametrize("scale", [0.0, 1e-12])
def test_latents_that_agree_with_the_teacher_do_not_divide_by_zero(scale):
    z = torch.zeros(1, 4, 4, 4, requires_grad=True)
    quiet = lambda noisy, times, prompts: scale * prompts.mean((1, 2)).view(-1, 1, 1, 1) * torch.ones_like(noisy)  # noqa: E731
    loss, _ = csd_loss(z, quiet, ALPHAS.float(), NEGATIVE, POSITIVE, noise=torch.zeros_like(z))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(z.grad).all() and z.grad.abs().max() < 1e-4
