"""Pictures to degrade: smooth colours, edges and fine texture, drawn from a seed."""

import numpy as np


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 (height, width, 3)."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 16
    waves = [np.sin(columns * a + rows * b + c) for a, b, c in random.uniform(0, 2, (3, 3))]
    out = 0.5 + 0.3 * np.stack(waves, 2)
    out[height // 3 : height // 2, width // 4 : width // 2] = random.random(3)
    out += random.normal(0, 0.03, out.shape)
    return np.rint(np.clip(out, 0, 1) * 255).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Of two uint8 pictures, dB; 99 for equal ones."""
    error = np.square(a.astype(float) - b).mean()
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))
