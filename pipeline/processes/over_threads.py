"""The tasks of a meta-batch on several cores of a CPU, each on one.

A task's operations are small and follow each other, so threads within an operation wait more than
they help; whole tasks wait for nothing. A task's result does not depend on the other threads, and
results come in the order of the tasks.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Self, TypeVar

import torch


Item = TypeVar("Item")
Result = TypeVar("Result")


class TaskThreads:
    """Threads that share a step's tasks; a context manager, which ends them.

    Args:
        number: of threads; with 1 the caller takes all tasks, with all of torch's own threads.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._pool = (
            ThreadPoolExecutor(number, "task", initializer=torch.set_num_threads, initargs=(1,))
            if number > 1
            else None
        )

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield function(item) for each of the items, in their order.

        The caller takes a single item itself. At most as many results are held as there are
        threads. Until the last result torch has a single thread for the caller, too, because the
        other threads use its cores.
        """
        if self._pool is None or len(items) == 1:
            yield from map(function, items)
            return
        waiting = deque(items)
        running: deque[Future[Result]] = deque()
        with _one_of_torchs_threads():
            while waiting or running:
                while waiting and len(running) < self._number:
                    running.append(self._pool.submit(function, waiting.popleft()))
                yield running.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@contextmanager
def _one_of_torchs_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


ALONE = TaskThreads(1)
