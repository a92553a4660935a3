"""The comparisons: each returns what it measured, by the names that `results.json` uses."""

from collections.abc import Callable, Sequence
from signal import Signals
from statistics import median
from subprocess import CalledProcessError

import torch
from transformers import GPT2LMHeadModel

from benchmarks import hits, memory, ours, peak, personas
from benchmarks.dialogues import Size, dialogue, episodes, learner, same_dialogue_episode
from benchmarks.found import Found
from benchmarks.obvious import ObviousLoop
from benchmarks.systems import LR, MetaStep, build, distances, names
from benchmarks.timing import Ratio, Seconds, fastest, ratio, rounds
from pipeline.errors import PipelineError
from pipeline.learning.task_loss.episodes import Episode


SMALL = Size(4, 128, 4, 50_257)
GPT2 = Size(12, 768, 12, 50_257)
SMALL_VOCABULARY = Size(4, 128, 4, 2_000)
OWN = ("ours", "obvious_loop")
LEAST_AGREEMENT = 1e-4  # relative, of float32 meta-gradients


def meta_step(found: Found, size: Size, n: int) -> None:
    """Exact meta-step on one task, support = query = one whole dialogue.

    First against the libraries, then against the obvious loop, which is ours to check the gradient
    by and needs the most memory: not all of them stand in memory at once.
    """
    tasks = [same_dialogue_episode(size, 0)]
    has_library = _best_library(found, size, n, tasks, "best_library")
    shown = ["obvious_loop"] if has_library else OWN  # ours beside the libraries, if there are any
    seconds = _meta_steps(found, size, n, OWN, tasks, shown=shown)
    loop = ratio(seconds["obvious_loop"], seconds["ours"])
    found.ratios[f"meta_step.obvious_loop.{size.name}"] = loop


def two_tasks(found: Found, size: Size, n: int) -> None:
    """Exact meta-step on App. B's two tasks against the libraries."""
    tasks = [same_dialogue_episode(size, seed) for seed in range(2)]
    _best_library(found, size, n, tasks, "best_library_2_tasks")


def _best_library(found: Found, size: Size, n: int, tasks: list[Episode], name: str) -> bool:
    """Return whether there is a library to compare with."""
    libraries = [library for library in names() if library not in OWN]
    seconds = _meta_steps(found, size, n, ["ours", *libraries], tasks)
    if right := [system for system in seconds if system not in OWN]:
        rival = fastest(seconds, right)
        found.ratios[f"meta_step.{name}.{size.name}"] = ratio(rival, seconds["ours"])
    return bool(right)


def _meta_steps(
    found: Found,
    size: Size,
    n: int,
    wanted: Sequence[str],
    tasks: list[Episode],
    *,
    shown: Sequence[str] | None = None,
) -> Seconds:
    """Time the wanted systems' steps; note the seconds of those that are `shown`, else of all."""
    systems, operations = _right_ones(found, size, wanted, tasks)
    runs = {name: _step(system, tasks) for name, system in systems.items()}
    seconds = rounds(runs, n, warm=True)
    best = peak.matmul_peak()
    for name, values in seconds.items():
        if shown is not None and name not in shown:
            continue
        key = ".".join(["meta_step", name, size.name, *([] if len(tasks) == 1 else ["2_tasks"])])
        found.seconds[key] = median(values)
        found.share_of_peak[key] = operations[name] / median(values) / best
    return seconds


def four_replies(found: Found, size: Size, n: int) -> None:
    """Exact meta-step on App. B's four replies, ours against the obvious loop."""
    tasks = [same_dialogue_episode(size, 0, replies=4)]
    systems, _ = _right_ones(found, size, OWN, tasks)
    runs = {name: _step(system, tasks) for name, system in systems.items()}
    seconds = rounds(runs, n, warm=True)
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
    seconds = rounds(ways, n, warm=True)
    for name in ("padded_batch", "separate_forwards"):
        found.ratios[f"hits.{name}.{size.name}"] = ratio(seconds[name], seconds["ours"])


def peak_memory(found: Found, size: Size, n: int) -> None:
    """Peak of the meta-step above the built model; the leanest rival over ours."""
    here: dict[str, float] = {}
    for name in (name for name in names() if name not in found.wrong):
        try:
            here[name] = memory.measure(name, size, n)
        except CalledProcessError as error:
            _failed(found, f"memory.{name}.{size.name}", error)
    for name, mib in here.items():
        found.memory_mib[f"{name}.{size.name}"] = mib
    leanest = min(mib for name, mib in here.items() if name != "ours")
    value = leanest / here["ours"]
    found.ratios[f"memory.best_rival.{size.name}"] = Ratio(value, value, value, n)


def inner_steps(found: Found, size: Size) -> None:
    """What a further inner step adds to the peak, its graph kept or made again: MiB."""
    for way, recompute in (("kept", False), ("recomputed", True)):
        mib = memory.of_an_inner_step(size, recompute=recompute)
        found.memory_mib[f"inner_step.{way}.{size.name}"] = mib


def many_personas(found: Found, size: Size, n: int) -> None:
    """Personas adapted one after the other on a resident copy, against two other ways.

    Φ in one pass, as a GPU does it; and all of f on a copy of `transformers`' model for each.
    """
    seconds = rounds(personas.adapters(size), n, warm=True)
    name = f"k_shot.one_by_one.{size.name}"
    found.ratios[name] = ratio(seconds["one_by_one"], seconds["in_one_pass"])
    seconds = rounds(personas.whole_models(size), n, warm=True)
    name = f"k_shot.fresh_copies.{size.name}"
    found.ratios[name] = ratio(seconds["fresh_copies"], seconds["one_by_one"])


def _step(system: MetaStep, tasks: list[Episode]) -> Callable[[], None]:
    return lambda: system.meta_step(tasks, LR)


def _right_ones(
    found: Found, size: Size, wanted: Sequence[str], tasks: list[Episode]
) -> tuple[dict[str, MetaStep], dict[str, int]]:
    """Build the systems, take a step, and leave out those that fail or find another gradient.

    Returns:
        The systems, warm, and the operations of each one's step.

    Raises:
        PipelineError: our own gradient is not `transformers`'.
    """
    systems: dict[str, MetaStep] = {}
    operations: dict[str, int] = {}
    for name in wanted:
        try:
            system = build(size, name)
            # One by one: what other threads do is not counted.
            operations[name] = sum(peak.operations(_step(system, [task])) for task in tasks)
            if len(tasks) > 1:
                system.meta_step(tasks, LR)  # whose gradient is compared
            systems[name] = system
        except Exception as error:  # a library may fail in any way
            if name in OWN:
                raise
            _failed(found, f"meta_step.{name}.{size.name}", error)
    far = distances(systems)
    found.wrong |= {name: far[name] for name in systems if far[name] >= LEAST_AGREEMENT}
    if (loop := far.get("obvious_loop", 0.0)) >= LEAST_AGREEMENT:
        raise PipelineError(f"{size.name}: our gradient is {loop:.1e} from `transformers`' own")
    return {n: s for n, s in systems.items() if n not in found.wrong}, operations


def _failed(found: Found, name: str, error: Exception) -> None:
    if isinstance(error, CalledProcessError):  # whose own words name the machine's folders
        found.failed[name] = f"its process ended with {_status(error.returncode)}"
    else:
        found.failed[name] = f"{type(error).__name__}: {str(error)[:200]}"


def _status(code: int) -> str:
    return f"signal {Signals(-code).name}" if code < 0 else f"exit code {code}"
