"""The comparisons: each returns what it measured, by the names that `results.json` uses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import torch
from transformers import GPT2LMHeadModel

from benchmarks import hits, memory, ours, peak
from benchmarks.dialogues import Size, dialogue, episodes, learner, same_dialogue_episode
from benchmarks.obvious import ObviousLoop
from benchmarks.systems import LR, MetaStep, check_equal, meta_steps, names
from benchmarks.timing import Ratio, fastest, ratio, rounds
from pipeline.errors import PipelineError
from pipeline.learning.episodes import Episode


SMALL = Size(4, 128, 4, 50_257)
GPT2 = Size(12, 768, 12, 50_257)
SMALL_VOCABULARY = Size(4, 128, 4, 2_000)
OWN = ("ours", "obvious_loop")
LEAST_AGREEMENT = 1e-4  # relative, of float32 meta-gradients


@dataclass
class Found:
    """What was measured; ratios are theirs over ours unless the name says otherwise."""

    ratios: dict[str, Ratio] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # medians
    memory_mib: dict[str, float] = field(default_factory=dict)
    share_of_peak: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, float] = field(default_factory=dict)  # systems with another gradient


def meta_step(found: Found, size: Size, n: int) -> None:
    """Exact meta-step, support = query = one whole dialogue."""
    tasks = [same_dialogue_episode(size, 0)]
    systems = _right_ones(found, size, meta_steps(size, names()), tasks)
    runs = {name: _step(system, tasks) for name, system in systems.items()}
    seconds = rounds(runs, n)
    best = peak.matmul_peak()
    for name, values in seconds.items():
        found.seconds[f"meta_step.{name}.{size.name}"] = median(values)
        share = peak.operations(runs[name]) / median(values) / best
        found.share_of_peak[f"meta_step.{name}.{size.name}"] = share
    own = seconds["ours"]
    found.ratios[f"meta_step.obvious_loop.{size.name}"] = ratio(seconds["obvious_loop"], own)
    if libraries := [name for name in seconds if name not in OWN]:
        rival = fastest(seconds, libraries)
        found.ratios[f"meta_step.best_library.{size.name}"] = ratio(rival, own)


def four_replies(found: Found, size: Size, n: int) -> None:
    """Exact meta-step on App. B's four replies, ours against the obvious loop."""
    tasks = [same_dialogue_episode(size, 0, replies=4)]
    systems = _right_ones(found, size, meta_steps(size, OWN), tasks)
    seconds = rounds({name: _step(system, tasks) for name, system in systems.items()}, n)
    name = f"meta_step.obvious_loop_4_replies.{size.name}"
    found.ratios[name] = ratio(seconds["obvious_loop"], seconds["ours"])


def exact_over_plain(found: Found, size: Size, n: int, *, name: str, adapters: bool) -> None:
    """Our exact meta-step over our fastest plain step on the same four tasks' tokens."""
    tasks = episodes(size, 4)
    exact, plain = ours.Exact(size, adapters=adapters), ours.Plain(size, adapters=adapters)
    seconds = rounds(
        {
            "exact": _step(exact, tasks),
            "one_batch": lambda: plain.one_batch(tasks),
            "one_by_one": lambda: plain.one_by_one(tasks),
        },
        n,
    )
    best = fastest(seconds, ["one_batch", "one_by_one"])
    found.ratios[f"exact_over_plain.{name}"] = ratio(seconds["exact"], best)


def one_pass(found: Found, size: Size, n: int) -> None:
    """A plain step with one example per reply over one pass per dialogue."""
    tasks, plain = episodes(size, 1), ours.Plain(size)
    seconds = rounds(
        {
            "pass": lambda: plain.one_by_one(tasks),
            "replies": lambda: plain.one_reply_each(tasks),
        },
        n,
    )
    name = f"one_pass_per_dialogue.{size.name}"
    found.ratios[name] = ratio(seconds["replies"], seconds["pass"])


def candidate_ranking(found: Found, size: Size, n: int) -> None:
    """All candidates of a dialogue's replies.

    Raises:
        PipelineError: the scores differ by more than 1e-5 nats per token.
    """
    own = learner(size, "sdpa")
    model: GPT2LMHeadModel = ObviousLoop(size, own).model
    model.set_attn_implementation("sdpa")  # what `from_pretrained` gives
    window = dialogue(size, 0)
    rows = hits.candidates(size, window, 0)
    ways: dict[str, Callable[[], list[list[float]]]] = {
        "ours": lambda: ours.candidate_scores(own, window, rows),
        "padded_batch": lambda: hits.padded_batch(model, window, rows),
        "separate_forwards": lambda: hits.separate_forwards(model, window, rows),
    }
    tokens = torch.tensor([len(ids) for row in rows for ids in row])
    scores = {name: torch.tensor(way()).flatten() / tokens for name, way in ways.items()}
    for name, values in scores.items():
        if (far := (values - scores["ours"]).abs().max().item()) > 1e-5:
            raise PipelineError(f"hits.{name}: {far:.1e} nats per token from ours, 1e-5 expected")
    seconds = rounds(ways, n)
    for name in ("padded_batch", "separate_forwards"):
        found.ratios[f"hits.{name}.{size.name}"] = ratio(seconds[name], seconds["ours"])


def peak_memory(found: Found, size: Size, n: int) -> None:
    """Peak of the meta-step above the built model; the leanest rival over ours."""
    here = {name: memory.measure(name, size, n) for name in names() if name not in found.wrong}
    for name, mib in here.items():
        found.memory_mib[f"{name}.{size.name}"] = mib
    leanest = min(mib for name, mib in here.items() if name != "ours")
    value = leanest / here["ours"]
    found.ratios[f"memory.best_rival.{size.name}"] = Ratio(value, value, value, n)


def _step(system: MetaStep, tasks: list[Episode]) -> Callable[[], None]:
    return lambda: system.meta_step(tasks, LR)


def _right_ones(
    found: Found, size: Size, systems: dict[str, MetaStep], tasks: list[Episode]
) -> dict[str, MetaStep]:
    """Leave out, and name, the systems whose meta-gradient is not ours."""
    distances = check_equal(systems, tasks)
    right = {name: distances[name] < LEAST_AGREEMENT for name in systems}
    found.wrong |= {name: distances[name] for name in systems if not right[name]}
    if not right["obvious_loop"]:
        far = distances["obvious_loop"]
        raise PipelineError(f"{size.name}: our gradient is {far:.1e} from `transformers`' own")
    return {name: system for name, system in systems.items() if right[name]}
