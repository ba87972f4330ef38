"""Turned and mirrored pictures."""

from pathlib import Path

import av.logging
import numpy as np
import pytest

from datamodules.video.orientation import Orientation, matrix_orientation, rotated
from datamodules.video.reader import VideoReader
from tests.datamodules.video.clips import make_clip

ONE = 1 << 16


def quadrants(index: int) -> np.ndarray:
    """Red, green over blue, white: every way of laying it looks different."""
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:16, :32, 0] = picture[:16, 32:, 1] = picture[16:, :32, 2] = 220
    picture[16:, 32:] = 220
    return picture


UPRIGHT = {
    (0, False, False): lambda a: a,
    (90, False, False): lambda a: np.rot90(a),
    (180, False, False): lambda a: np.rot90(a, 2),
    (270, False, False): lambda a: np.rot90(a, 3),
    (0, True, False): lambda a: a[:, ::-1],
    (0, False, True): lambda a: a[::-1],
    (90, True, False): lambda a: np.rot90(a)[:, ::-1],
    (90, False, True): lambda a: np.rot90(a)[::-1],
}


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("rotation", UPRIGHT)
def test_pictures_and_timeline_are_upright(tmp_path: Path, rotation: tuple[float, bool, bool], suffix: str) -> None:
    if suffix == "mkv" and (rotation[1] or rotation[2]):
        pytest.skip("Matroska stores rotations only")
    path = make_clip(tmp_path / f"c.{suffix}", frames=3, height=32, width=64, rotation=rotation, picture=quadrants)
    with VideoReader(path) as reader:
        timeline = reader.timeline
        assert reader.counters.decoded_packets == 0
        picture = next(reader.pictures([2]))
    rgb = picture.rgb()
    assert rgb.flags.c_contiguous
    assert rgb.shape == (picture.height, picture.width, 3) == (timeline.height, timeline.width, 3)
    assert np.abs(rgb.astype(int) - UPRIGHT[rotation](quadrants(0))).mean() < 12


def test_an_angle_between_quarter_turns_goes_to_the_nearest(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "c.mp4", frames=3, height=32, width=64, rotation=(80, False, False), picture=quadrants)
    with VideoReader(path) as reader:
        assert (reader.timeline.height, reader.timeline.width) == (64, 32)
        assert next(reader.pictures([0])).rgb().shape == (64, 32, 3)


def test_matrices_and_angles_agree() -> None:
    # libav's matrices of a counterclockwise quarter turn and its multiples.
    matrices = {0: (ONE, 0, 0, ONE), 90: (0, -ONE, ONE, 0), 180: (-ONE, 0, 0, -ONE), 270: (0, ONE, -ONE, 0)}
    image = np.arange(6).reshape(2, 3)
    for angle, (a, b, c, d) in matrices.items():
        orientation = matrix_orientation((a, b, 0, c, d, 0, 0, 0, 1 << 30))
        assert orientation == rotated(angle) == rotated(angle - 360)
        assert not orientation.mirrored
        np.testing.assert_array_equal(orientation.upright(image), np.rot90(image, angle // 90))
        assert orientation.size(2, 3) == orientation.upright(image).shape
    assert Orientation(flip_x=True).mirrored
    assert Orientation(transpose=True).mirrored


def test_libavs_log_level_is_left_as_it_was(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "c.mp4", frames=1)
    before = av.logging.get_level()
    with VideoReader(path) as reader:
        _ = reader.timeline
    assert av.logging.get_level() == before
