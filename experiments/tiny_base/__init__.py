"""The tiny base: a small trained autoencoder and denoiser in the layout of Stable Diffusion."""
