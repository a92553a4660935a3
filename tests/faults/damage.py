"""Campaigns against what stages read of each other: bits flipped in every part of every file."""

from itertools import cycle, islice
from pathlib import Path
from random import Random

from pipeline import artifacts
from tests.faults.commands import Words, digests, done, finished, one_line
from tests.faults.forks import started
from tests.faults.registry import Outcome, campaign
from tests.faults.toy import ALONE, whole_project, without


PREDICTED = (artifacts.predictions_file("transfer"),)
SCORED = (artifacts.metrics_file("transfer"), artifacts.kshot_file("transfer"))
PLAYED = (artifacts.model_dir("p2bot", 0) / "theta.safetensors",)
# A reader; what it must refuse if one bit of it is another, all that its inputs' records hold; and
# what it computes from that. Its own record may say of which bytes.
READERS: tuple[tuple[Words, Path, tuple[Path, ...]], ...] = (
    (("finetune", "transfer"), artifacts.model_dir("transfer", 0), PREDICTED),
    (("finetune", "transfer"), artifacts.BASE, PREDICTED),
    (("finetune", "transfer"), artifacts.TASKS, PREDICTED),
    (("p2_selfplay", "p2bot", "0"), artifacts.receiver_dir(0), PLAYED),
    (("score", "transfer"), artifacts.PREDICTIONS, SCORED),
    (("tasks",), artifacts.RAW, (artifacts.TASKS,)),
)
# Read by nobody, or taken into an identity as it is: a flipped bit there makes no other number.
_APART = ("history.csv", "oracle.json", "summary.json", "base.json", "source.json")


@campaign("models, base, tasks, predictions: a bit is flipped", points=60, quick=0)
def flipped_bits(folder: Path, points: int, seed: int) -> Outcome:
    """In the first, the last and any part of a file: refused in a line, or the outs stay."""
    random, outcome = Random(seed), Outcome(points)
    whole_project(folder, "score")
    for words, place, computed in islice(cycle(READERS), points):
        right = digests(folder, computed)
        files = [p for p in (folder / place).rglob("*") if p.is_file() and p.name not in _APART]
        path = random.choice(sorted(files))
        content = path.read_bytes()
        spoilt = bytearray(content)
        part = random.choice((slice(0, 64), slice(-64, None), slice(None)))
        spoilt[random.choice(range(len(content))[part])] ^= 1 << random.randrange(8)
        path.write_bytes(spoilt)
        code, err = finished(started(folder, *words, **ALONE))
        outcome.lost += one_line(code, err)
        if digests(folder, computed) != right and not _says_so(folder, path):
            outcome.lost.append(f"{words}: other outs after a bit of {path.name} in {part}")
        path.write_bytes(content)
        outcome.seconds.append(done(folder, *words, how=started, **ALONE))
    return outcome


def _says_so(folder: Path, path: Path) -> bool:
    """Say whether predictions name the tasks of test that they were made from: others than before.

    No model was made from test's tasks, so nothing can be compared with them but what comes after.
    """
    identity = folder / artifacts.identity_file("transfer")
    if path.name != artifacts.tasks_file("test").name or not identity.is_file():
        return False
    said = artifacts.read_json(identity, made_by="finetune transfer")["tasks"]
    return said == artifacts.sha256_of(folder / artifacts.TASKS)


@campaign(
    "every stage: its input is cut short, empty, a folder, or a pipe's end", points=24, quick=0
)
def odd_inputs(folder: Path, points: int, seed: int) -> Outcome:
    """One line each."""
    random, outcome = Random(seed), Outcome(points)
    whole_project(folder, "score")
    for number, (words, place, _) in enumerate(islice(cycle(READERS), points)):
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
