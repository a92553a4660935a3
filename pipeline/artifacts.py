"""Every path that stages exchange, once, and reading and writing of records.

Paths are relative to the project's root, where DVC runs every stage. `atomic.py` says how they are
written.
"""

import os
import time
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from pipeline.atomic import atomic_path as atomic_path
from pipeline.atomic import is_scratch as is_scratch
from pipeline.atomic import one_at_a_time as one_at_a_time
from pipeline.atomic import recover as recover
from pipeline.atomic import refuse_foreign as refuse_foreign
from pipeline.errors import DataError, MissingFileError, one_line
from pipeline.strict_json import first_problem, opened, sealed, strict_loads
from pipeline.strict_json import json_text as json_text


PARAMS = Path("params.yaml")
PRESETS = Path("presets")
RAW = Path("data/raw")
RAW_SOURCE = RAW / "source.json"
RAW_ORACLE = RAW / "oracle.json"
PRETRAIN_TEXT = Path("data/pretrain.txt")
TASKS = Path("data/tasks")
TASKS_SUMMARY = TASKS / "summary.json"
MODELS = Path("models")
BASE = MODELS / "base"
BASE_FACTS = BASE / "base.json"
METRICS = Path("metrics")
DETAILS = METRICS / "details"
KSHOT = METRICS / "kshot"
REPORT = Path("report")
REPORT_KSHOT = REPORT / "kshot.csv"
PREDICTIONS = Path("predictions")
FLOORS = DETAILS / "floors.json"
COMPARISON = DETAILS / "comparison.json"
STUDIES = Path("studies")
PERSONA_SUMS = STUDIES / "simulation" / "persona_sums.json"
CONVAI2 = STUDIES / "convai2" / "floors.json"
SIMULATION = STUDIES / "simulation" / "simulation.json"
CHECKPOINTS = Path(".checkpoints")

SPLITS = ("train", "valid", "test")

_HASHED: dict[Path, tuple[list[tuple[Path, int, int, int, int]] | None, str]] = {}
_SETTLED = 2_000_000_000  # nanoseconds

Record = TypeVar("Record", bound=BaseModel)
Content = dict[str, object]  # of a JSON object


def raw_text(split: str) -> Path:
    """Persona-chat's own text file of one split."""
    return RAW / f"{split}_self_original.txt"


def raw_conversations(split: str) -> Path:
    """Conversations of one split of any other corpus (docs/corpora.md)."""
    return RAW / f"{split}.jsonl"


def tasks_file(split: str) -> Path:
    """PersonaTask records of one split."""
    return TASKS / f"{split}.jsonl"


def model_dir(variant: str, seed: int) -> Path:
    """What one training run of a variant writes: θ, `variant.json`, `history.csv`."""
    return MODELS / variant / f"seed-{seed}"


def receiver_dir(seed: int) -> Path:
    """P² Bot's receiver of one training seed."""
    return model_dir("p2_receiver", seed)


def transmitter_dir(variant: str, seed: int) -> Path:
    """The variant that self-play starts from: VARIANT_transmitter."""
    return model_dir(f"{variant}_transmitter", seed)


def predictions_file(variant: str) -> Path:
    """Prediction records of one variant, all seeds."""
    return PREDICTIONS / f"{variant}.jsonl"


def identity_file(variant: str) -> Path:
    """What one variant's predictions were made from, and which bytes they are."""
    return PREDICTIONS / f"{variant}.json"


def metrics_file(variant: str) -> Path:
    """Table 1's three numbers of one variant."""
    return METRICS / f"{variant}.json"


def kshot_file(variant: str) -> Path:
    """One variant's points of Fig. 3."""
    return KSHOT / f"{variant}.csv"


def details_file(variant: str) -> Path:
    """All other scores of one variant."""
    return DETAILS / f"{variant}.json"


def support_file(variant: str) -> Path:
    """What fine-tuning does to the support dialogues; no stage's out."""
    return METRICS / "support" / f"{variant}.json"


def tuning_file(variant: str) -> Path:
    """The trials of one variant's tuning; no stage's out, kept in git."""
    return Path("tuning") / f"{variant}.csv"


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, line ends as given."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically, as `json_text` formats it."""
    write_text(path, json_text(value))


def write_sealed(path: Path, value: Content) -> None:
    """Write a JSON object with the SHA-256 of its own content, which `read_json` checks."""
    write_json(path, sealed(value))


def read_json(path: Path, *, made_by: str, must_be_sealed: bool = False) -> dict[str, object]:
    """Read a JSON object; `made_by` names its stage. A seal is checked, and left out.

    Raises:
        MissingFileError: there is no such file.
        DataError: the file holds something else than a JSON object, or was edited by hand, or has
            no seal though it must (`opened`).
    """
    if not path.is_file():
        raise MissingFileError(path, made_by)
    remedy = f"run `python -m stages.{made_by}` (or `dvc repro`)"
    if path.parent == RAW:  # what lies beside a damaged record might be the user's
        remedy = f"delete {RAW}, then {remedy}"
    try:
        value = strict_loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # an integer of 5,000 digits is a ValueError
        raise DataError(f"{path}: not JSON ({one_line(error)}); {remedy}") from error
    if not isinstance(value, dict):
        found = type(value).__name__
        raise DataError(f"{path}: a JSON object was expected, found {found}; {remedy}")
    return opened(value, path, remedy, required=must_be_sealed)


def write_records(path: Path, records: Iterable[BaseModel], outdated: Path | None = None) -> int:
    """Write records as JSON Lines, atomically; return how many.

    Args:
        path: of the file.
        records: its lines.
        outdated: a file that belongs to the records before: removed when the new ones are on the
            disk, directly before they get their name.
    """
    count = 0
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(record.model_dump_json() + "\n")
            count += 1
        if outdated is not None:
            file.flush()
            os.fsync(file.fileno())
            outdated.unlink(missing_ok=True)
    return count


def read_records(path: Path, kind: type[Record], *, made_by: str) -> list[Record]:
    """Return the records of `iterate_records`, all in memory."""
    return list(iterate_records(path, kind, made_by=made_by))


def iterate_records(path: Path, kind: type[Record], *, made_by: str) -> Iterator[Record]:
    """Read and validate JSON Lines, a record at a time; `made_by` names the stage that writes them.

    Raises:
        MissingFileError: there is no such file.
        DataError: a line is not a valid record; names file, line and field.
    """
    if not path.is_file():
        raise MissingFileError(path, made_by)
    with path.open("rb") as file:  # the record's own parser refuses what is not UTF-8
        for number, line in enumerate(file, start=1):
            remedy = f"; run `python -m stages.{made_by}` (or `dvc repro`)"
            yield parse_record(line, kind, f"{path}:{number}", remedy)


def parse_record(line: bytes, kind: type[Record], place: str, remedy: str = "") -> Record:
    """Return the record of a line; a DataError names `place`, the field, and the remedy."""
    try:
        record = kind.model_validate_json(line)
        strict_loads(line)  # of a key that is there twice pydantic takes the last
        return record
    except (ValueError, RecursionError) as error:
        what = first_problem(error)
        raise DataError(f"{place}: not a valid {kind.__name__}: {what}{remedy}") from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's names and contents, in hexadecimal.

    What has not changed since the process hashed it is not read again.
    """
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    asked = time.time_ns()
    stats = [(file, file.stat()) for file in files]
    state = [(file, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for file, s in stats]
    known, digest_then = _HASHED.get(path.absolute(), (None, ""))
    if known == state:
        return digest_then
    digest = sha256()
    for file in files:
        if path.is_dir():
            digest.update(os.fsencode(file.relative_to(path).as_posix()) + b"\0")
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    # A file that was changed just now may change again within the same tick of its clock.
    if all(s.st_ctime_ns < asked - _SETTLED for _, s in stats):
        _HASHED[path.absolute()] = state, digest.hexdigest()
    return digest.hexdigest()
