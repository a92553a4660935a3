"""Speakers with their personas, and meetings of two: data of P² Bot's receiver and its self-play.

Supervision is weak: it is known which persona an utterance belongs to, but not which of the
persona's sentences the utterance is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from pipeline.errors import DataError
from pipeline.persona.task.record import PersonaTask
from pipeline.persona.task.text import normalise


@dataclass(frozen=True)
class Voice:
    """One side of a dialogue: what it says, its persona, and its persona sentences anywhere."""

    utterances: tuple[str, ...]
    persona: tuple[str, ...]
    everywhere: frozenset[str]  # the person's sentences in all dialogues, normalised


@dataclass(frozen=True)
class Example:
    """A speaker's utterances with several personas: `personas[0]` is the speaker's own."""

    utterances: tuple[str, ...]
    personas: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Meeting:
    """Two personas, and the opening utterance of the second, which the first answers."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    opening: str


def voices(tasks: Sequence[PersonaTask]) -> list[Voice]:
    """Return each dialogue's replies with its persona; a dialogue without a persona is left out.

    Partners have no voice: their personas are not known.
    """
    return [
        Voice(tuple(turn.reply for turn in dialogue.turns), tuple(dialogue.persona), everywhere)
        for task in tasks
        for everywhere in [_sentences(task)]
        for dialogue in task.dialogues
        if dialogue.persona
    ]


def _sentences(task: PersonaTask) -> frozenset[str]:
    return frozenset(normalise(text) for dialogue in task.dialogues for text in dialogue.persona)


def sentence_pool(voices: Sequence[Voice]) -> list[str]:
    """Return the distinct persona sentences, in order.

    A sentence of many personas is drawn no more often than another.

    Raises:
        DataError: no voice has persona sentences.
    """
    pool = list(dict.fromkeys(sentence for voice in voices for sentence in voice.persona))
    if not pool:
        raise DataError("no dialogue has persona sentences, so there is no receiver to train")
    return pool


def unlearnable(voices: Sequence[Voice]) -> str | None:
    """Say why no receiver can learn from some voices; null: one can.

    Each needs as many sentences of others as its persona has, as `example` draws them. People who
    share one system prompt have none.
    """
    if not voices:
        return "no persona sentences"
    pool = {normalise(sentence) for sentence in sentence_pool(voices)}
    for voice in voices:
        needed, others = len(voice.persona), len(pool) - len(pool & voice.everywhere)
        if others < needed:
            return f"too few persona sentences of others: {others}, where one has {needed}"
    return None


def example(voice: Voice, pool: Sequence[str], *, negatives: int, draw: Random) -> Example:
    """Return a voice with `negatives` strangers' personas of as many sentences as its own.

    No stranger's sentence is, after normalisation, one of the person's own in any dialogue: other
    dialogues put the same persona in other words. No sentence stands twice in a persona.

    Raises:
        DataError: the pool has too few sentences that are not the voice's own.
    """
    strangers = [_stranger(voice, pool, draw) for _ in range(negatives)]
    return Example(voice.utterances, (voice.persona, *strangers))


def _stranger(voice: Voice, pool: Sequence[str], draw: Random) -> tuple[str, ...]:
    seen = set(voice.everywhere)
    persona: list[str] = []
    for sentence in draw.sample(list(pool), len(pool)):
        if len(persona) == len(voice.persona):
            break
        if normalise(sentence) not in seen:
            seen.add(normalise(sentence))
            persona.append(sentence)
    if len(persona) < len(voice.persona):
        raise DataError(
            f"a persona of {len(voice.persona)} sentences needs as many of others, the split has "
            f"only {len(persona)}; raise tasks.max_personas"
        )
    return tuple(persona)


def meeting(tasks: Sequence[PersonaTask], draw: Random) -> Meeting:
    """Draw two personas, a dialogue of each, and the second's first utterance in its dialogue.

    Raises:
        DataError: fewer than two personas have persona sentences.
    """
    by_task = [[d for d in task.dialogues if d.persona] for task in tasks]
    speakers = [dialogues for dialogues in by_task if dialogues]
    if len(speakers) < 2:
        raise DataError(f"self-play needs two personas with sentences, found {len(speakers)}")
    one, other = (draw.choice(dialogues) for dialogues in draw.sample(speakers, 2))
    return Meeting(tuple(one.persona), tuple(other.persona), other.turns[0].reply)
