"""A Ctrl-C that Python drops stops the run at its next batch."""

import os
import signal
from collections.abc import Iterator

import pytest

from runtime import interrupt


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
    interrupt._asked = False


class Careless:
    """Its finalizer is where the signal arrives."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_lost_in_a_finalizer_is_raised_later() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt.listen()
    interrupt.raise_if_lost()
    thing = Careless()
    del thing
    with pytest.raises(KeyboardInterrupt):
        interrupt.raise_if_lost()


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt.listen()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
