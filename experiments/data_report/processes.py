"""Work on many files in processes, of which any may die without ending the others' work."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, TypeVar

Result = TypeVar("Result")


def each(
    function: Callable[..., Result], tasks: Sequence[tuple[Any, ...]], jobs: int, died: Callable[..., Result]
) -> Iterator[Result]:
    """Results of ``function(*task)`` for all tasks, in the order of finishing.

    Args:
        function: A function of a module, which raises nothing.
        tasks: Its arguments.
        jobs: Processes.
        died: Gives the result of a task whose process died.
    """
    left = iter(tasks)
    suspects: list[tuple[Any, ...]] = []
    while True:
        try:
            # A few tasks at a time, so that few are suspected when a process dies.
            yield from _pooled(function, left, jobs, suspects)
        except BrokenProcessPool:
            for task in suspects:
                try:
                    yield from _pooled(function, iter([task]), 1, [])
                except BrokenProcessPool:
                    yield died(*task)
            suspects = []
            continue
        return


def _pooled(
    function: Callable[..., Result], left: Iterator[tuple[Any, ...]], jobs: int, suspects: list[tuple[Any, ...]]
) -> Iterator[Result]:
    """Work ``left`` off; ``suspects`` always holds the tasks begun and not finished."""
    running: dict[Future[Result], tuple[Any, ...]] = {}
    with ProcessPoolExecutor(jobs, _context(function.__module__), _end_with_parent) as pool:
        try:
            while True:
                for task in islice(left, 2 * jobs - len(running)):
                    suspects.append(task)
                    running[pool.submit(function, *task)] = task
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    suspects.remove(running.pop(future))
                    yield result
        except BaseException:
            # The pool would wait for the tasks at hand, which may take minutes after Ctrl-C.
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _end_with_parent() -> None:
    """End this process when the one that began it is killed; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _context(module: str) -> Any:
    """Processes that share no decoder state with this one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    return context
