"""Calls that may never come back, made where nobody waits for them."""

import queue
import threading
import warnings
from collections.abc import Callable
from typing import Any

# Calls that may wait before the receiver counts as dead: hours of training at a line a second.
ROOM = 10_000


class Courier:
    """Makes calls one after the other in a thread of its own, until one fails or takes too long.

    Args:
        lost: Told once why the receiver was given up; from then on every call is dropped.
    """

    def __init__(self, lost: Callable[[BaseException], None]) -> None:
        self._lost, self._gone = lost, False
        self._lock = threading.Lock()
        self._calls: queue.Queue[Callable[[], Any]] = queue.Queue(ROOM)
        # No process waits for such a thread at its end.
        threading.Thread(target=self._deliver, daemon=True, name="courier").start()

    def send(self, call: Callable[[], Any]) -> None:
        """Have a call made some time; never waits."""
        if self._gone:
            return
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            self.give_up(TimeoutError(f"{ROOM} calls went unanswered"))

    def ask(self, call: Callable[[], Any], seconds: float) -> Any:
        """Have a call made after all that were sent, and wait for its result.

        Args:
            call: The call.
            seconds: How long to wait for it; the receiver is given up then.

        Returns:
            What the call returns; None where it failed or was not made.
        """
        done, answer = threading.Event(), []

        def noted() -> None:
            try:
                answer.append(call())
            finally:
                done.set()

        self.send(noted)
        if not self._gone and not done.wait(seconds):
            self.give_up(TimeoutError(f"no answer within {seconds:g} s"))
        return answer[0] if answer else None

    def give_up(self, error: BaseException) -> None:
        """Drop all calls from now on; whoever waits for one goes on."""
        with self._lock:
            if self._gone:
                return
            self._gone = True
        self._lost(error)

    def _deliver(self) -> None:
        while True:
            call = self._calls.get()
            try:
                if not self._gone:
                    call()
            except (TypeError, ValueError) as error:  # the caller's fault, and no reason to think the receiver gone
                warnings.warn(f"a value was not logged: {type(error).__name__}: {error}", stacklevel=1)
            except BaseException as error:
                self.give_up(error)
