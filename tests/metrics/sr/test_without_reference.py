"""PIQE and NIQE: distortions worsen them, models survive their file, figures do not move."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from metrics.sr import niqe as niqe_module
from metrics.sr.mscn import normalised, whole_blocks
from metrics.sr.niqe import NIQEModel, fit, load, niqe, save
from metrics.sr.piqe import piqe

data = pytest.importorskip("skimage.data")


def photos():
    return {"astronaut": data.astronaut(), "coffee": data.coffee(), "chelsea": data.chelsea()}


def blurred(picture):
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(2)))


def noisy(picture):
    noise = np.random.default_rng(0).normal(0, 20, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def compressed(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "jpeg", quality=15)
    return np.asarray(Image.open(buffer))


@pytest.fixture(scope="module")
def model():
    halves = [half for picture in photos().values() for half in np.array_split(picture, 2, axis=1)]
    return fit(halves, "photos", patch=32)


@pytest.mark.parametrize("distort", [blurred, noisy, compressed])
@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_distortions_worsen_both(model, name, distort):
    picture = photos()[name]
    worse = distort(picture)
    assert piqe(worse) > piqe(picture) + 5
    assert niqe(worse, model) > niqe(picture, model) + 0.5


def test_piqe_agrees_with_the_common_programs():
    # pypiqe 1.2 on the grey picture, where no rounding of colours stands between the two.
    picture = np.repeat(data.camera()[:, :, None], 3, axis=2)
    assert piqe(picture) == pytest.approx(40.137401807, abs=1e-6)


def test_piqe_of_flat_and_odd_pictures():
    assert piqe(np.full((50, 41, 3), 90, np.uint8)) == 100
    assert piqe(np.zeros((16, 16, 3), np.uint8)) == 100
    assert np.isfinite(piqe(data.coffee()[:61, :83]))


def test_the_model_survives_its_file(model, tmp_path):
    save(model, tmp_path / "niqe.npz")
    again, digest = load(tmp_path / "niqe.npz")
    assert again.name == "photos" and again.patch == 32 and again.patches == model.patches
    np.testing.assert_array_equal(again.covariance, model.covariance)
    assert len(digest) == 64
    assert niqe(data.coffee(), again) == niqe(data.coffee(), model)


def test_other_files_are_no_model(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="is no NIQE model"):
        load(tmp_path / "a.npz")
    save(NIQEModel("x", np.zeros(3), np.zeros((3, 3)), 64, 9), tmp_path / "b.npz")
    with pytest.raises(ValueError, match="36 features"):
        load(tmp_path / "b.npz")


def test_too_small_and_too_few(model):
    with pytest.raises(ValueError, match="20x300 is smaller than NIQE's patch of 32"):
        niqe(np.zeros((300, 20, 3), np.uint8), model)
    with pytest.raises(ValueError, match="too few"):
        fit([data.coffee()[:100, :100]], "one")


@pytest.mark.parametrize(("shape", "left", "right"), [(0.8, 1.0, 1.0), (2.0, 0.5, 1.5), (4.0, 2.0, 1.0)])
def test_the_asymmetric_fit_finds_what_was_drawn(shape, left, right):
    generator = np.random.default_rng(1)
    sizes = generator.gamma(1 / shape, 1, 400_000) ** (1 / shape)
    is_left = generator.random(len(sizes)) < left / (left + right)
    values = np.where(is_left, -left, right) * sizes
    found = niqe_module._asymmetric_fit(values.reshape(1, 1000, 400))
    np.testing.assert_allclose(np.concatenate(found), [shape, left, right], rtol=0.03)


def test_normalised_values_of_a_ramp_are_flat_and_blocks_keep_their_order():
    plane = np.add.outer(np.arange(40.0), np.zeros(32))
    values, deviation = normalised(plane)
    np.testing.assert_allclose(values[8:-8], 0, atol=1e-9)
    np.testing.assert_allclose(deviation[8:-8], deviation[20, 16])
    blocks = whole_blocks(np.arange(20.0).reshape(4, 5), 2)
    np.testing.assert_array_equal(blocks[1], [[2, 3], [7, 8]])
    assert len(blocks) == 4


def test_shapes_of_neighbours_products_in_four_directions():
    # Figures of BasicSR's ``compute_feature``, which ours equal to 2e-16.
    patch = np.random.default_rng(0).normal(size=(1, 8, 8))
    np.testing.assert_allclose(niqe_module._of_patches(patch)[0, [2, 6, 10, 14]], [0.748, 0.813, 0.72, 0.806])
