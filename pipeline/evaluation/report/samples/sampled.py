"""A few contexts for the page, and what every variant said in them. No torch.

Whole predictions files are large. Of the first variant's the records with responses are parsed, of
all others' only those of the dialogues that were drawn. Whether the files are complete was checked
by the stages that scored them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic_core import to_json

from pipeline import artifacts
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.report.samples.samples import Context, Responses, chosen, contexts, said
from pipeline.persona.task.record import PersonaTask


CONTEXTS = 4  # `python -m stages.samples` shows more
SEED = 0  # of the draw, as that command's
TABLE_1 = (b'"split":"test"', b'"protocol":"leave_one_out"')  # in a line of Table 1's setting
SILENT = b'"response":null'  # in a line without responses


@dataclass(frozen=True)
class Shown:
    """The contexts that the page shows, and what every variant said there."""

    contexts: Sequence[Context]
    responses: Responses


def sampled(tasks: Sequence[PersonaTask], epochs: Mapping[str, int]) -> Shown:
    """Return the contexts to show and all responses there; none where no responses are.

    Args:
        tasks: of test.
        epochs: the headline epoch of each variant that has a predictions file.

    Raises:
        DataError: as `samples.said` and `samples.chosen`; or a line is no record.
    """
    if not epochs:
        return Shown((), {})
    first, *others = epochs
    responses = {first: said(first, _records(first, (b"",)), epochs[first])}
    answered = [context for context in contexts(tasks) if context.place in responses[first]]
    if not answered:
        return Shown((), {})
    drawn = chosen(answered, responses, count=CONTEXTS, seed=SEED)
    marks = [b'"dialogue_id":' + to_json(context.place[0]) for context in drawn]
    for name in others:
        responses[name] = said(name, _records(name, marks), epochs[name])
    shared = [c for c in drawn if all(c.place in by_place for by_place in responses.values())]
    if shared:
        shared = chosen(shared, responses, count=CONTEXTS, seed=SEED)  # checks their replies
    return Shown(shared, responses)


def _records(variant: str, marks: Sequence[bytes]) -> Iterator[Prediction]:
    """Yield the records of Table 1's setting that have responses and one of the marks."""
    path = artifacts.predictions_file(variant)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            wanted = all(mark in line for mark in TABLE_1) and SILENT not in line
            if wanted and any(mark in line for mark in marks):
                yield artifacts.parse_record(line, Prediction, f"{path}:{number}")
