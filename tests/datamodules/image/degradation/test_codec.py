import numpy as np
import pytest

from datamodules.image.degradation import codec
from datamodules.image.degradation.codec import pass_codec
from datamodules.image.degradation.plan import Codec
from tests.datamodules.image.degradation.pictures import picture, psnr


@pytest.mark.parametrize("name", ["libx264", "mpeg4"])
def test_a_higher_rate_factor_loses_more(name):
    hr = picture(96, 80)
    scores = [psnr(pass_codec(hr, Codec("h264", crf), name), hr) for crf in (10, 23, 40)]
    assert scores[0] > 30 and scores[0] > scores[1] + 1 > scores[2] + 2


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 33), (31, 2)])
@pytest.mark.parametrize("shifts", [(), ((1, 2), (2, -1))])
def test_any_size_comes_back_as_it_was(size, shifts):
    hr = picture(*size)
    out = pass_codec(hr, Codec("h264", 20.0, shifts))
    assert out.shape == hr.shape and out.dtype == np.uint8


def test_the_last_frame_is_the_picture_and_not_a_shifted_copy():
    hr = picture(96, 96)
    out = pass_codec(hr, Codec("h264", 12.0, ((5, 3), (3, 2))))
    assert psnr(out, hr) > psnr(out, np.roll(hr, (3, 2), (0, 1))) + 6


def test_prediction_from_copies_leaves_other_traces_than_one_frame():
    hr = picture(96, 96)
    alone, predicted = (pass_codec(hr, Codec("h264", 34.0, shifts)) for shifts in ((), ((2, 1), (1, 2))))
    assert psnr(alone, predicted) < 50


def test_a_missing_encoder_is_told_once_and_replaced(monkeypatch):
    import av

    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    codec.encoder.cache_clear()
    try:
        with pytest.warns(UserWarning, match="no libx264"):
            assert codec.encoder() == "mpeg4"
        hr = picture(32, 32)
        np.testing.assert_array_equal(pass_codec(hr, Codec("h264", 30.0)), pass_codec(hr, Codec("h264", 30.0), "mpeg4"))
    finally:
        codec.encoder.cache_clear()
