"""A validation that a signal or an error cuts short is no validation: the run that goes on makes all of it."""

import signal

import pytest

from runtime.stop_signals import SIGNALS, StopSignals
from tests.datamodules.test_resume import Recorder, fit, last


@pytest.fixture(autouse=True)
def restored():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Stopped(Recorder):
    """Signalled, or fails, at one place of the second epoch of four training and four validation batches."""

    def __init__(self, place, batch):
        super().__init__(stop_before="this place")
        self.place, self.batch = place, batch

    def at(self, place, batch):
        if (self.current_epoch, place, batch) == (1, self.place, self.batch):
            if place == "end":
                raise KeyboardInterrupt
            self.trainer._signal_connector.received_sigterm = True

    def training_step(self, batch, batch_idx):
        self.at("train", batch_idx)
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        super().validation_step(batch, batch_idx)
        self.at("val", batch_idx)

    def on_validation_epoch_end(self):
        self.at("end", 0)


@pytest.mark.parametrize(("place", "batch", "seen"), [("train", 3, 1), ("val", 1, 2), ("end", 0, 4)])
def test_a_validation_cut_short_anywhere_begins_anew(tiny, module, tmp_path, place, batch, seen):
    saved, stopped = last(tmp_path, save_on_exception=True), Stopped(place, batch)
    cut = fit(module(tiny, eval_batch_size=2), tmp_path, stopped, saved, callbacks=(StopSignals(),))
    assert [epoch for epoch, _ in cut.validated].count(1) == seen
    resumed = fit(module(tiny, eval_batch_size=2), tmp_path, ckpt_path=tmp_path / "last.ckpt")
    assert [len(ids) for epoch, ids in resumed.validated if epoch == 1] == [2, 2, 2, 1]
    assert {epoch for epoch, *_ in resumed.seen} == {2}
