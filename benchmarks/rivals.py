"""learn2learn, higher and TorchOpt on the same tasks, given our own loss and our own batches.

What is compared is the meta-learning alone. None of them is needed to use this project; README.md
here says how to install them where `FOLDER` is.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import ours
from benchmarks.dialogues import WTE, Size, learner
from pipeline.learning.task_loss.episodes import Episode
from pipeline.model.network.projection import SPECIAL


FOLDER = Path(__file__).parent / ".rivals"

MetaLoop = Callable[["OurLoss", list[Episode], float], None]


class OurLoss(nn.Module):
    """Our loss as a module whose parameters the libraries can replace."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.learner = learner(size, "eager")
        self.names = {name.replace(".", "|"): name for name in self.learner.theta}
        for key, name in self.names.items():
            self.register_parameter(key, nn.Parameter(self.learner.theta[name].detach().clone()))

    def forward(self, episode: Episode, *, query: bool) -> Tensor:
        """Return the loss of one of the episode's sets at the parameters of the moment."""
        theta = {name: getattr(self, key) for key, name in self.names.items()}
        return ours.loss(self.learner, theta, episode, query=query)


class Rival:
    """A library's loop over a batch of tasks."""

    def __init__(self, size: Size, loop: MetaLoop) -> None:
        self.module = OurLoss(size)
        self._loop = loop

    def meta_step(self, episodes: list[Episode], lr: float) -> None:
        """Leave the meta-gradient in the module's parameters' `.grad`."""
        self.module.zero_grad()
        self._loop(self.module, episodes, lr)

    def table_gradient(self) -> Tensor:
        """Return the gradient of the tied table, (V + S, width)."""
        parts = dict(self.module.named_parameters())
        gradients = [parts[name.replace(".", "|")].grad for name in (WTE, SPECIAL)]
        return torch.cat([gradient for gradient in gradients if gradient is not None])


def available() -> dict[str, MetaLoop]:
    """Return the loops of the libraries that can be imported."""
    found = {}
    for name, make in (("learn2learn", _learn2learn), ("higher", _higher), ("torchopt", _torchopt)):
        try:
            found[name] = make()
        except ImportError:
            continue
    return found


def _load(name: str) -> Any:
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module(name)


def _learn2learn() -> MetaLoop:
    """Import its `maml` from the unpacked source, past the package's own `__init__`.

    The package itself needs a Cython build that Python 3.11 refuses; the algorithm does not.
    """
    root = FOLDER / "learn2learn-0.2.0" / "learn2learn"
    for name, path in (("learn2learn", root), ("learn2learn.algorithms", root / "algorithms")):
        if name not in sys.modules:
            package = ModuleType(name)
            package.__path__ = [str(path)]
            sys.modules[name] = package
    maml = _load("learn2learn.algorithms.maml")

    def loop(module: OurLoss, episodes: list[Episode], lr: float) -> None:
        meta = maml.MAML(module, lr=lr, first_order=False)
        for episode in episodes:
            adapted = meta.clone()
            adapted.adapt(adapted(episode, query=False))
            (adapted(episode, query=True) / len(episodes)).backward()

    return loop


def _higher() -> MetaLoop:
    higher = _load("higher")

    def loop(module: OurLoss, episodes: list[Episode], lr: float) -> None:
        optimizer = torch.optim.SGD(module.parameters(), lr=lr)
        for episode in episodes:
            with higher.innerloop_ctx(module, optimizer, copy_initial_weights=False) as (f, inner):
                inner.step(f(episode, query=False))
                (f(episode, query=True) / len(episodes)).backward()

    return loop


def _torchopt() -> MetaLoop:
    torchopt = _load("torchopt")

    def loop(module: OurLoss, episodes: list[Episode], lr: float) -> None:
        start = torchopt.extract_state_dict(module)
        for episode in episodes:
            inner = torchopt.MetaSGD(module, lr=lr)
            inner.step(module(episode, query=False))
            (module(episode, query=True) / len(episodes)).backward()
            torchopt.recover_state_dict(module, start)

    return loop
