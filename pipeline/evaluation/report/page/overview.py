"""What a run shows and what it does not, in plain sentences made from its numbers. No torch.

No sentence is chosen by what it says: each is written whatever the numbers are.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from pipeline.evaluation.report.cells import number
from pipeline.evaluation.report.formats import FORMATS, TABLE_1
from pipeline.evaluation.report.page.findings import Findings
from pipeline.evaluation.report.paired_tests import Claim, claims
from pipeline.evaluation.report.rows import floor_rows, over_other_replies, scored_replies
from pipeline.evaluation.report.tables import level
from pipeline.evaluation.schemas.comparison import NOT_DISTINGUISHABLE
from pipeline.evaluation.schemas.details import Scores
from pipeline.params.stated import portable


MAIN = FORMATS["nats_per_token"].difference  # the measure that a claim is counted by
NOT_PERSONAL = ("mostly not personal", "not distinguishable from a stranger's")
NO_GAIN = ("none", "harmful", "not distinguishable from none")


def shows(findings: Findings) -> list[str]:
    """Return what the run shows, a sentence or two for each thing."""
    return [
        _size(findings),
        _best(findings.details),
        _gains(findings.details),
        *_answers(claims(findings.comparison)),
        *_floors(findings),
    ]


def does_not_show(findings: Findings) -> list[str]:
    """Return what a reader may take it to show, and it does not."""
    people = max(one.counts.personas for one in findings.details.values())
    return [
        _not_the_paper(findings),
        _seeds(findings.details),
        f"Intervals say how much numbers would move with other people like these {people}. They "
        "say nothing of other corpora, languages or models.",
        "Where no difference was found, there may be one that is too small for so few people.",
        "All scores are computed. Nobody judged the replies: a lower perplexity is not yet a "
        "better conversation.",
    ]


def _size(findings: Findings) -> str:
    details = findings.details.values()
    people = max(one.counts.personas for one in details)
    return (
        f"{_count(len(findings.details), 'system')} met {_count(people, 'person', 'people')} whom "
        "none had seen in training. Each was fine-tuned on some of a person's own dialogues and "
        f"scored on that person's others ({scored_replies(findings.details)} replies)."
    )


def _best(details: Mapping[str, Scores]) -> str:
    parts = []
    for metric in TABLE_1:
        scored = {
            name: estimate.value
            for name, one in details.items()
            if (estimate := one.metrics.get(metric)) is not None
        }
        if not scored:
            continue
        lower = FORMATS[metric].better == "lower"
        pick: Callable[..., str] = min if lower else max
        name = pick(scored, key=lambda one: scored[one])
        word = "lowest" if lower else "highest"
        shown = f"the {word} {FORMATS[metric].name} ({level(details[name], metric)})"
        parts.append(f"{name} has {shown}")
    return (
        f"After that, {_listed(parts)}. Whether such differences are more than chance is tested "
        "below."
    )


def _listed(parts: Sequence[str]) -> str:
    """Return parts as one enumeration."""
    if not parts:
        return "nothing was measured"
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


def _gains(details: Mapping[str, Scores]) -> str:
    verdicts = Counter[str](one.adaptation for one in details.values())
    total = len(details)
    gained = total - sum(verdicts[verdict] for verdict in NO_GAIN)
    personal = verdicts["personal"] + verdicts["partly personal"]
    not_personal = sum(verdicts[verdict] for verdict in NOT_PERSONAL)
    return (
        f"Adapting made {gained} of {total} systems better. For {personal} of them a good part of "
        f"the gain is personal, that is, a stranger's dialogues do not give it; for {not_personal} "
        "they give most of it, or nearly as much."
    )


def _answers(asked: Sequence[Claim]) -> list[str]:
    verdicts = Counter(
        answer.verdict for claim in asked for answer in claim.answers if answer.measure == MAIN
    )
    if not (total := sum(verdicts.values())):
        return []
    return [
        f"{_count(total, 'question')} were asked in advance. By the likelihood of real replies "
        f"({MAIN}) the first system of the question is better in {verdicts['better']}, worse in "
        f"{verdicts['worse']}, and cannot be told from the second in "
        f"{verdicts[NOT_DISTINGUISHABLE]}."
    ]


def _floors(findings: Findings) -> list[str]:
    """Say which systems are no better than what needs no learning, for each metric."""
    sentences = []
    for metric in TABLE_1:
        lower = FORMATS[metric].better == "lower"
        floors = {
            row.title: estimate.value
            for row in floor_rows(findings.floors)
            if row.kind == "floor" and (estimate := row.ours[metric]) is not None
        }
        scored = [one.metrics.get(metric) for one in findings.details.values()]
        known = [estimate.value for estimate in scored if estimate is not None]
        if not floors or not known:
            continue
        pick: Callable[..., str] = min if lower else max
        name = pick(floors, key=lambda one: floors[one])
        above = sum(value < floors[name] if lower else value > floors[name] for value in known)
        shown = number(floors[name], FORMATS[metric].digits)
        sentences.append(
            f"By {FORMATS[metric].name} {above} of {len(known)} systems beat the best of what "
            f"needs no learning ({name}, {shown})."
        )
    said = over_other_replies(findings.floors, findings.details)
    return [*sentences, said] if sentences and said else sentences


def _not_the_paper(findings: Findings) -> str:
    params = portable(findings.params)
    data, base = (params.get(key, {}).get("source", "unknown") for key in ("data", "base"))
    size = f"{findings.base.num_parameters:,}"
    ours = f"data.source is {data}, base.source is {base}, φ has {size} parameters"
    if data == "synthetic":
        return (
            f"It does not reproduce the paper: data and model are others ({ours}; the paper has "
            "Persona-chat and GPT-2 of 117M). Its columns stand beside ours to be looked at, not "
            "to be compared with."
        )
    return (
        f"It can be compared with the paper only as far as data, model and protocol agree ({ours}; "
        "the paper has Persona-chat and GPT-2 of 117M)."
    )


def _seeds(details: Mapping[str, Scores]) -> str:
    seeds = {seed for one in details.values() for seed in one.counts.seeds}
    if len(seeds) > 1:
        return (
            f"{len(seeds)} training seeds are few: intervals and tests over seeds are given, and "
            "are wide for that."
        )
    return (
        "Every system was trained once. Another training seed would give other numbers, and no "
        "interval here covers that."
    )


def _count(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}"
