"""A clip from every key frame on, and the key frames as what it stands for."""

import numpy as np

from datamodules.video.clips_at import ClipsAt
from datamodules.video.draw import Draw
from datamodules.video.samplers import OnePerSecond, Uniform
from datamodules.video.timeline import Timeline
from datamodules.video.views.key_frames import KeyFrames


def timeline(frames: int, rate: int) -> Timeline:
    return Timeline(np.arange(frames) / rate, frames / rate, 48, 64, rate, "h264", "yuv420p", 1)


def test_consecutive_frames_from_each_second_on_and_the_last_one_repeats():
    sampler = ClipsAt(OnePerSecond(4), length=6)
    taken = sampler.indices(timeline(25, 10), Draw())
    assert sampler.count == len(taken) == 24
    assert taken[:12] == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]
    assert taken[12:18] == [20, 21, 22, 23, 24, 24] and taken[18:] == taken[12:18]


def test_a_step_spreads_the_clip():
    assert ClipsAt(Uniform(1), length=3, step=4).indices(timeline(40, 10), Draw()) == [20, 24, 28]


def test_clips_stand_for_their_key_frames():
    clips = KeyFrames(ClipsAt(OnePerSecond(8), 32), 224, "stretch")
    assert clips.sampler_hash == KeyFrames(OnePerSecond(8), 384).sampler_hash
    assert clips.sampler_hash != KeyFrames(OnePerSecond(4), 384).sampler_hash
    assert clips.signature()["sampler"]["keys"]["count"] == 8
