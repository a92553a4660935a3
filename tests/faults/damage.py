"""Campaigns against what stages read of each other: bits flipped in every part of every file."""

from itertools import cycle, islice
from pathlib import Path
from random import Random

from pipeline import artifacts
from tests.faults.commands import Words, digests, done, finished, one_line
from tests.faults.forks import started
from tests.faults.registry import Outcome, campaign
from tests.faults.toy import ALONE, stage, whole_project, without


# A reader, and what it must refuse if one bit of it is another: all that its inputs' records hold.
READERS: tuple[tuple[Words, Path], ...] = (
    (("finetune", "transfer"), artifacts.model_dir("transfer", 0)),
    (("finetune", "transfer"), artifacts.BASE),
    (("finetune", "transfer"), artifacts.TASKS),
    (("p2_selfplay", "p2bot", "0"), artifacts.receiver_dir(0)),
    (("score", "transfer"), artifacts.PREDICTIONS),
    (("tasks",), artifacts.RAW),
)
# Read by nobody, or taken into an identity as it is: a flipped bit there makes no other number.
_APART = ("history.csv", "oracle.json", "summary.json", "base.json", "source.json")


@campaign("models, base, tasks, predictions: a bit is flipped", points=60, quick=0)
def flipped_bits(folder: Path, points: int, seed: int) -> Outcome:
    """In the first, the last and any part of a file: refused in a line, or the outs stay."""
    random, outcome = Random(seed), Outcome(points)
    whole_project(folder, "score")
    for words, place in islice(cycle(READERS), points):
        own = stage(*words)
        right = digests(folder, own.outs)
        files = [p for p in (folder / place).rglob("*") if p.is_file() and p.name not in _APART]
        path = random.choice(sorted(files))
        content = path.read_bytes()
        spoilt = bytearray(content)
        part = random.choice((slice(0, 64), slice(-64, None), slice(None)))
        spoilt[random.choice(range(len(content))[part])] ^= 1 << random.randrange(8)
        path.write_bytes(spoilt)
        code, err = finished(started(folder, *words, **ALONE))
        outcome.lost += one_line(code, err)
        if digests(folder, own.outs) != right:
            outcome.lost.append(f"{words}: other outs after a bit of {path.name} in {part}")
            done(folder, *words, how=started, **ALONE)
        path.write_bytes(content)
        outcome.seconds.append(done(folder, *words, how=started, **ALONE))
    return outcome


@campaign(
    "every stage: its input is cut short, empty, a folder, or a pipe's end", points=24, quick=0
)
def odd_inputs(folder: Path, points: int, seed: int) -> Outcome:
    """One line each."""
    random, outcome = Random(seed), Outcome(points)
    whole_project(folder, "score")
    for number, (words, place) in enumerate(islice(cycle(READERS), points)):
        files = [p for p in (folder / place).rglob("*") if p.is_file() and p.name not in _APART]
        path = random.choice(sorted(files))
        content = path.read_bytes()
        kind = number // len(READERS) % 4
        if kind == 2:
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes((content[: len(content) // 2], b"", b"", b"\0" * 1000)[kind])
        code, err = finished(started(folder, *words, **ALONE))
        if not code:
            outcome.lost.append(f"{words}: succeeded with {path.name} spoilt in way {kind}")
        outcome.lost += one_line(code, err)
        without(folder, path.relative_to(folder))
        path.write_bytes(content)
    return outcome
