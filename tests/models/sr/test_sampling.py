"""Denoising steps equal those of diffusers' schedulers."""

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from models.sr.sampling import sample

SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "timestep_spacing": "linspace",
}


def noise_in(latent, times):
    return torch.tanh(latent) * (times.view(-1, 1, 1, 1) / 1000)


def test_without_fresh_noise_it_is_ddim():
    start = torch.randn(2, 4, 3, 5)
    scheduler = DDIMScheduler(set_alpha_to_one=True, **SCHEDULE)
    scheduler.set_timesteps(10)
    # Evenly spaced as ours, the last time being zero; the scheduler's own "previous" is a fixed stride away.
    latent = start
    times = scheduler.timesteps.tolist()
    for index, time in enumerate(times):
        scheduler.num_inference_steps = 1000 // (time - times[index + 1]) if index + 1 < len(times) else 1
        latent = scheduler.step(noise_in(latent, torch.full((2,), time)), time, latent, eta=0.0).prev_sample
    ours = sample(noise_in, start, scheduler.alphas_cumprod, 10, eta=0.0)
    assert torch.allclose(ours, latent, atol=2e-4)


def test_with_fresh_noise_every_step_is_ddpm():
    """Over all thousand times the step is that of DDPM, mean and variance."""
    scheduler = DDPMScheduler(variance_type="fixed_small", **SCHEDULE)
    start = torch.randn(1, 4, 4, 4)
    scheduler.set_timesteps(1000)
    theirs, draws = start, torch.Generator().manual_seed(3)
    for time in scheduler.timesteps.tolist():
        theirs = scheduler.step(noise_in(theirs, torch.tensor([time])), time, theirs, generator=draws).prev_sample
    ours = sample(noise_in, start, scheduler.alphas_cumprod, 1000, eta=1.0, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(ours, theirs, atol=2e-3)


def test_a_seed_gives_one_picture_and_steps_must_exist():
    alphas = DDPMScheduler(**SCHEDULE).alphas_cumprod
    start = torch.randn(1, 4, 4, 4)
    twice = [sample(noise_in, start, alphas, 5, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    other = sample(noise_in, start, alphas, 5, generator=torch.Generator().manual_seed(2))
    assert torch.equal(*twice) and not torch.equal(twice[0], other)
    with pytest.raises(ValueError, match="steps 1001"):
        sample(noise_in, start, alphas, 1001)
