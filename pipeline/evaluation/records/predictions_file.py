"""A variant's predictions on disk: `VARIANT.jsonl`, and `VARIANT.json`, which says what it is.

The identity holds what the records were made from and their SHA-256. Whoever reads the records
learns by the last one at the latest that all of them are there, once, and as they were written.
No torch.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline import artifacts
from pipeline.errors import DataError, MissingFileError
from pipeline.evaluation.records.cached import refuse_other_nats
from pipeline.evaluation.records.complete import Completeness
from pipeline.evaluation.records.overview import Overview
from pipeline.evaluation.records.prediction import Prediction
from pipeline.params.stated import Made
from pipeline.persona.task.record import NUM_CANDIDATES
from pipeline.strict_json import first_of


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SeedKey = Annotated[str, Field(pattern=r"^\d{1,19}$")]

LONGEST_LINE = 16 << 20  # bytes of a record; one of 20 candidates has some thousand


class PredictionsIdentity(BaseModel):
    """What a variant's predictions were made from, and which bytes they are.

    It holds no time, host or path outside the project.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    variant: str
    params: dict[str, Any]  # what `finetune` read, the variant's own `set` in force
    tasks: Digest  # of data/tasks
    base: Digest  # of models/base
    models: dict[SeedKey, Digest]  # of models/VARIANT/seed-SEED, by training seed
    made_with: dict[str, Any]  # what made tasks, base and models, by key of params.yaml
    records: Annotated[int, Field(ge=0)]  # lines of the JSON Lines
    sha256: Digest  # of the JSON Lines


def made(identity: PredictionsIdentity) -> Made:
    """Return what a variant's predictions were made with."""
    values = {**identity.made_with, **identity.params}
    return Made(artifacts.identity_file(identity.variant), values, identity.variant)


def write(variant: str, records: Iterable[Prediction], made_from: dict[str, Any]) -> int:
    """Write both files of a variant, the identity last; return how many records there are.

    Args:
        variant: its name.
        records: in the order of their lines.
        made_from: `params`, `tasks`, `base`, `models` and `made_with` of the identity.
    """
    path, own = artifacts.predictions_file(variant), artifacts.identity_file(variant)
    count = artifacts.write_records(path, records, outdated=own)
    identity = PredictionsIdentity(
        variant=variant, **made_from, records=count, sha256=artifacts.sha256_of(path)
    )
    artifacts.write_sealed(own, identity.model_dump(mode="json"))
    return count


def read_identity(variant: str, folder: Path = artifacts.PREDICTIONS) -> PredictionsIdentity:
    """Read what a variant's predictions say of themselves.

    Args:
        variant: its name.
        folder: where the two files are.

    Raises:
        MissingFileError: one of the two files is missing.
        DataError: the identity is no identity, or another variant's.
    """
    made_by = f"finetune {variant}"
    path = folder / artifacts.identity_file(variant).name
    if not (records := folder / artifacts.predictions_file(variant).name).is_file():
        raise MissingFileError(records, made_by)
    content = artifacts.read_json(path, made_by=made_by)
    try:
        identity = PredictionsIdentity.model_validate(content)
    except ValidationError as error:
        where = ".".join(str(part) for part in first_of(error)["loc"])
        raise DataError(f"{path}: {where}: not as finetune writes it; {_again(variant)}") from error
    if identity.variant != variant:
        raise DataError(
            f"{path}: predictions of variant {identity.variant!r}, not of {variant!r}; "
            f"{_again(variant)}"
        )
    return identity


def iterate(
    variant: str,
    identity: PredictionsIdentity | None = None,
    folder: Path = artifacts.PREDICTIONS,
) -> Iterator[Prediction]:
    """Yield a variant's records, one in memory at a time, and check them all.

    Nothing may be concluded from the records before the last one has come.

    Args:
        variant: its name.
        identity: what `read_identity` returned; null: it is read.
        folder: where the two files are.

    Raises:
        MissingFileError: one of the two files is missing.
        DataError: a line is no record; a record is there twice; a reply, an epoch, a K or a
            training seed is missing; or the file is not the one that finetune wrote.
    """
    identity = identity or read_identity(variant, folder)
    with (folder / artifacts.predictions_file(variant).name).open("rb") as file:
        for _, record in _checked(file, identity):
            yield record


def _checked(
    file: IO[bytes], identity: PredictionsIdentity
) -> Iterator[tuple[tuple[int, int], Prediction]]:
    """Yield each line's first byte and the byte after it, and its record, as `iterate` does."""
    path, again = file.name, _again(identity.variant)
    complete = Completeness(identity.params, path, again)
    digest, byte = sha256(), 0
    for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1):
        if len(line) > LONGEST_LINE:
            raise DataError(f"{path}:{number}: over {LONGEST_LINE:,} bytes, so no record; {again}")
        try:
            record = artifacts.parse_record(line, Prediction, f"{path}:{number}")
        except DataError as error:
            raise DataError(f"{error}; {again}") from error
        complete.add(record)
        _refuse_other_candidates(record, f"{path}:{number}", again)
        refuse_other_nats(record, complete.weights, f"{path}:{number}", again)
        digest.update(line)
        yield (byte, byte + len(line)), record
        byte += len(line)
    complete.end()
    if complete.records != identity.records or digest.hexdigest() != identity.sha256:
        raise DataError(
            f"{path}: {complete.records} records, not the {identity.records} that finetune wrote "
            f"(their SHA-256 is {identity.sha256[:12]}…); {again}"
        )


def _refuse_other_candidates(record: Prediction, place: str, remedy: str) -> None:
    """Refuse a record with fewer or more candidates: Hits@1 is of 20."""
    found = NUM_CANDIDATES if record.candidate_nll is None else len(record.candidate_nll)
    if found != NUM_CANDIDATES:
        raise DataError(f"{place}: {found} candidates, {NUM_CANDIDATES} were expected; {remedy}")


@contextmanager
def people(variant: str) -> Iterator["People"]:
    """Check a variant's file, and read it again person by person while the block lasts.

    Raises:
        MissingFileError, DataError: as `iterate`.
    """
    identity = read_identity(variant)
    with artifacts.predictions_file(variant).open("rb") as file:
        yield People(file, identity)


class People:
    """A variant's records of test, one person at a time; the whole file is checked before.

    Only the place of each person's records is kept. Iterate over it to get a list for each person:
    its records of all seeds, in the file's order.

    Attributes:
        overview: of all records, valid too.
        identity: what they were made from.
    """

    def __init__(self, file: IO[bytes], identity: PredictionsIdentity) -> None:
        self.overview = Overview()
        self.identity = identity
        self._file = file
        self._origin = file.name
        self._remedy = _again(identity.variant)
        self._places: dict[str, list[int]] = {}  # by person: first byte and last, of each seed
        for (first, end), record in _checked(file, identity):
            self.overview.add(record)
            if record.split == "test":
                places = self._places.setdefault(record.task_id, [])
                if places and places[-1] == first:
                    places[-1] = end
                else:
                    places += (first, end)

    def __iter__(self) -> Iterator[list[Prediction]]:
        for places in self._places.values():
            yield [
                record
                for first, end in zip(places[::2], places[1::2], strict=True)
                for record in self._records(first, end)
            ]

    def _records(self, first: int, end: int) -> Iterator[Prediction]:
        self._file.seek(first)
        for line in BytesIO(self._file.read(end - first)):
            try:
                yield Prediction.model_validate_json(line)
            except ValueError as error:
                raise DataError(
                    f"{self._origin}: it changed while it was read; {self._remedy}"
                ) from error


def read(variant: str, folder: Path = artifacts.PREDICTIONS) -> list[Prediction]:
    """Return the records that `iterate` yields.

    Raises:
        MissingFileError, DataError: as `iterate`.
    """
    return list(iterate(variant, folder=folder))


def refuse_other_inputs(identities: Iterable[PredictionsIdentity]) -> None:
    """Refuse to set predictions side by side that were made from other tasks or another base.

    Raises:
        DataError: names two variants and what differs.
    """
    first, *others = identities
    for other in others:
        for what, made_by in (("tasks", "tasks"), ("base", "base")):
            mine, its = getattr(first, what), getattr(other, what)
            if mine != its:
                raise DataError(
                    f"{first.variant} and {other.variant} were predicted with different {what} "
                    f"({mine[:12]}…, {its[:12]}…); run `python -m stages.finetune` for both "
                    f"(or `dvc repro`), after stage {made_by}"
                )


def _again(variant: str) -> str:
    return f"run `python -m stages.finetune {variant}` (or `dvc repro`) again"
