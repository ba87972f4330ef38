"""Ctrl-C that cannot get lost."""

import signal
from types import FrameType

_asked = False


def listen() -> None:
    """Note Ctrl-C beside raising KeyboardInterrupt.

    Python drops an exception that a signal raises inside a finalizer or a weak reference's callback, and the run would
    go on to its end.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)


def raise_if_lost() -> None:
    """Raise KeyboardInterrupt when Ctrl-C was typed and the run still goes on."""
    if _asked:
        raise KeyboardInterrupt


def _note(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    raise KeyboardInterrupt
