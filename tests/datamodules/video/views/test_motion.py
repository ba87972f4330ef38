import pytest

from datamodules.video.draw import Draw
from datamodules.video.views.motion import MotionClip

EVAL = Draw(id="a.mp4")


def test_the_span_is_in_seconds_and_centred(make_timeline):
    for fps in (24, 30, 60):
        video = make_timeline(8 * fps, fps)
        times = video.times[MotionClip(32, 2.0, 64).frames(video, EVAL)]
        assert times[-1] - times[0] == pytest.approx(2 * 31 / 32, abs=1.01 / fps)
        assert times[0] + times[-1] == pytest.approx(8.0, abs=2.01 / fps)


def test_training_starts_anywhere(make_timeline):
    video = make_timeline(240)
    starts = [MotionClip(8, 1.0, 64).frames(video, Draw(0, epoch, "a", True))[0] for epoch in range(60)]
    assert min(starts) < 30 and max(starts) > 180


def test_a_short_video_repeats_its_last_frame(make_timeline):
    frames = MotionClip(32, 2.0, 64).frames(make_timeline(10), EVAL)
    assert frames == sorted(frames) and frames[-1] == 9 and frames.count(9) > 20


def test_the_whole_video_on_demand(make_timeline):
    frames = MotionClip(32, None, 64).frames(make_timeline(320), EVAL)
    assert frames == [5 + 10 * i for i in range(32)]


@pytest.mark.parametrize("resize", ["stretch", "short"])
def test_the_promise_holds(noise, make_timeline, resize):
    view = MotionClip(4, 0.5, 24, resize)
    assert view.shape == (4, 3, 24, 24)
    for frame in ((96, 54), (16, 16), (31, 77)):
        assert tuple(view.render(noise(*frame), 3, EVAL).shape) == view.shape[1:]
    assert len(view.frames(make_timeline(1), EVAL)) == 4


def test_signatures_tell_spans_apart():
    assert MotionClip(32, 2.0).signature() != MotionClip(32, 4.0).signature()
    assert MotionClip(32, None).signature()["span_s"] is None


@pytest.mark.parametrize(("arguments", "word"), [((0,), "length"), ((32, 0.0), "span_s"), ((32, 2.0, 0), "size")])
def test_nonsense_is_refused_by_name(arguments, word):
    with pytest.raises(ValueError, match=word):
        MotionClip(*arguments)
