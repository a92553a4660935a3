"""Ranks: processes that share a step's work, started by `torchrun`; a single one is rank 0 of 1.

They may be on several machines, which need not share a folder: rank 0 writes.

Every rank draws the same episodes, since a draw depends on (seed, purpose, task, step) alone, and
takes its share of them. One sum of gradients in each step keeps θ the same on all ranks. The sum is
explicit: a wrapper of the module (DDP) would not see gradients of gradients, and would sum at each
backward.
"""

import atexit
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from pipeline.errors import PipelineError, TrainingError, one_line
from pipeline.processes.device import best_device


# A dead rank is noticed at once, by its closed connections and by torchrun, which ends the others.
# Only this limit ends a rank that hangs. It must exceed the time of any rank's share of a step.
TIMEOUT = timedelta(minutes=10)
# How long a survivor waits for torchrun to end it, so that only the dead rank's error is shown.
GRACE = 30.0  # seconds
MEETING = "MAMLVIAPP_MEETING"  # names a file by which the ranks of one machine find each other

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ranks:
    """This process's place among the ranks that share the work; `Ranks()` is the only one.

    Every method but `share` must be called by all ranks, in the same order.

    Raises:
        TrainingError: another rank, or the process that started this one, has ended.
    """

    rank: int = 0
    size: int = 1
    parent: int | None = None  # the process that started this one

    @property
    def first(self) -> bool:
        """This is the rank that writes files and shows progress."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this rank's items: each belongs to exactly one rank, some ranks may have none."""
        return items if self.size == 1 else items[self.rank :: self.size]

    def gather(self, value: Any) -> list[Any]:
        """Return every rank's `value`, anything that JSON can hold, in the order of the ranks."""
        if self.size == 1:
            return [value]
        device = best_device()
        text = bytearray(json.dumps(value).encode())
        own = torch.frombuffer(text, dtype=torch.uint8).to(device)
        sizes = torch.zeros(self.size, dtype=torch.int64, device=device)
        sizes[self.rank] = len(own)
        self._sum(sizes)
        texts = torch.zeros(self.size, int(sizes.max()), dtype=torch.uint8, device=device)
        texts[self.rank, : len(own)] = own
        self._sum(texts)  # each row has one writer, so the sum only collects
        return [
            json.loads(text[:size].cpu().numpy().tobytes())
            for text, size in zip(texts, sizes.tolist(), strict=True)
        ]

    def agree(self, parts: Mapping[str, str]) -> None:
        """Refuse to share work with a rank whose `parts` are others: it would compute another run.

        Args:
            parts: what determines the run, by the name that an error gives it.

        Raises:
            TrainingError: names the first such rank, its machine and the parts; on every rank.
        """
        own = {"torch": torch.__version__, **parts}
        digests = {name: sha256(value.encode()).hexdigest() for name, value in own.items()}
        (_, expected), *others = self.gather((socket.gethostname(), digests))
        for rank, (machine, parts_there) in enumerate(others, start=1):
            names = expected.keys() | parts_there.keys()
            differ = sorted(n for n in names if expected.get(n) != parts_there.get(n))
            if differ:
                raise TrainingError(
                    f"rank {rank} on {one_line(machine)} has not rank 0's {', '.join(differ)}; "
                    "give all machines of a run the same code, params.yaml, data and models"
                )

    def copy(self, tensors: Mapping[str, Tensor], source: int) -> dict[str, Tensor]:
        """Return the tensors of rank `source`, on the CPU; those of the other ranks are not read.

        One tensor at a time: no rank holds a copy of them all for it.
        """
        own = [(name, str(t.dtype), [*t.shape]) for name, t in tensors.items()]
        layout = self.gather(own if self.rank == source else None)[source]
        copies = {}
        for name, dtype, shape in layout:
            empty = torch.empty(shape, dtype=getattr(torch, dtype.removeprefix("torch.")))
            value = tensors[name].contiguous() if self.rank == source else empty
            flat = value.reshape(-1).view(torch.uint8).to(best_device())
            self._together(partial(dist.broadcast, flat, source))
            copies[name] = flat.cpu().view(value.dtype).view(shape)
        return copies

    def sum_gradients(self, tensors: Iterable[Tensor], weight: float) -> None:
        """Replace every `.grad` by the ranks' sum of weight × `.grad`, all in one flat sum.

        Args:
            tensors: leaves, the same on every rank; a missing `.grad` counts as zeros, and stays
                missing if every rank lacks it, since Adam leaves such a tensor alone.
            weight: of this rank's gradients.
        """
        if self.size == 1:
            return
        leaves = list(tensors)
        parts = [torch.zeros_like(v) if v.grad is None else weight * v.grad for v in leaves]
        has_grad = leaves[0].new_tensor([v.grad is not None for v in leaves])
        flat = torch.cat([has_grad, *(part.flatten() for part in parts)])
        del parts
        self._sum(flat)
        sizes = [len(leaves), *(leaf.numel() for leaf in leaves)]
        ranks_with_grad, *sums = torch.split(flat, sizes)
        for leaf, count, total in zip(leaves, ranks_with_grad.tolist(), sums, strict=True):
            leaf.grad = total.view_as(leaf).to(leaf.dtype) if count else None

    def barrier(self) -> None:
        """Wait for all ranks."""
        self.gather(None)

    def _sum(self, values: Tensor) -> None:
        self._together(partial(dist.all_reduce, values))

    def _together(self, operation: Callable[[], Any]) -> None:
        if os.getppid() != self.parent:
            raise TrainingError(
                f"rank {self.rank}: torchrun, which started this process, has ended; "
                "run the same command again to go on"
            )
        try:
            operation()
        except RuntimeError as error:
            if os.getppid() == self.parent:
                time.sleep(GRACE)
            reason = str(error).splitlines()[0].split(". ")[0]
            raise TrainingError(
                f"rank {self.rank}: lost another rank ({reason}); "
                "run the same command again to go on"
            ) from error


_here = Ranks()


def here() -> Ranks:
    """Return this process's place: alone, unless within `joined`."""
    return _here


@contextmanager
def joined(limit: timedelta = TIMEOUT) -> Iterator[Ranks]:
    """Join the ranks that torchrun describes in the environment; each takes a GPU, if any.

    Args:
        limit: how long a rank may wait for the others.

    Raises:
        TrainingError: there are fewer GPUs than processes on this machine.
    """
    global _here
    gpu = None
    if best_device().type == "cuda":
        gpu = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        if (count := torch.cuda.device_count()) <= gpu.index:
            raise TrainingError(
                f"{os.environ['LOCAL_WORLD_SIZE']} processes, but {count} GPUs; start at most "
                "one process per GPU, or hide the GPUs with CUDA_VISIBLE_DEVICES="
            )
        torch.cuda.set_device(gpu)  # "cuda" without a number then means this one
    dist.init_process_group("nccl" if gpu else "gloo", timeout=limit, device_id=gpu, **_meeting())
    _here = Ranks(dist.get_rank(), dist.get_world_size(), os.getppid())
    try:
        yield _here
    except BaseException as error:
        atexit.register(_end_at_once, error.exit_code if isinstance(error, PipelineError) else 1)
        raise
    finally:
        _here = Ranks()
    dist.destroy_process_group()


def _meeting() -> dict[str, Any]:
    """Return how the ranks of one machine meet: by a file; else as torchrun says, by a port."""
    if not (file := os.environ.get(MEETING)):
        return {}
    rank, size = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE"))
    store = dist.FileStore(file, size)  # type: ignore[attr-defined]  # it is there
    return {"store": store, "rank": rank, "world_size": size}


def _end_at_once(code: int) -> None:
    """End a process that failed, after its error is shown: a clean exit would need the others."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
