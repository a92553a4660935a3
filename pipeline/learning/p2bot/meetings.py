"""Who said it, and who meets whom: the data of P² Bot's receiver and of its self-play.

Weak supervision: that an utterance and a persona belong to one dialogue is known, which sentence
the utterance is about is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from pipeline.errors import DataError
from pipeline.persona.task import PersonaTask
from pipeline.persona.text import normalise


@dataclass(frozen=True)
class Voice:
    """One side of a dialogue: what it says, the persona given there, and all it was ever given."""

    utterances: tuple[str, ...]
    persona: tuple[str, ...]
    everywhere: frozenset[str]  # the person's sentences in all dialogues, normalised


@dataclass(frozen=True)
class Example:
    """A speaker's utterances and personas that may be his: `personas[0]` is."""

    utterances: tuple[str, ...]
    personas: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Meeting:
    """Two training personas, and what the second has said before the first answers."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    opening: str


def voices(tasks: Sequence[PersonaTask]) -> list[Voice]:
    """Return each dialogue's replies with the persona given there; dialogues without are left out.

    Only the person's own side: what the partner's persona was is not known.
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


def sentence_pool(those: Sequence[Voice]) -> list[str]:
    """Return the distinct persona sentences, in order: one that many have is drawn no more often.

    Raises:
        DataError: there are none, so there is nothing to tell apart.
    """
    pool = list(dict.fromkeys(sentence for voice in those for sentence in voice.persona))
    if not pool:
        raise DataError("no dialogue has persona sentences, so there is no receiver to train")
    return pool


def example(voice: Voice, pool: Sequence[str], *, negatives: int, draw: Random) -> Example:
    """Return a voice with `negatives` strangers' personas of as many sentences as its own.

    A stranger's sentence is none of the person's own in any dialogue (there they are put in other
    words), after normalisation, nor twice in a persona.

    Raises:
        DataError: the pool has too few sentences that are not the voice's own.
    """
    drawn = [_stranger(voice, pool, draw) for _ in range(negatives)]
    return Example(voice.utterances, (voice.persona, *drawn))


def _stranger(voice: Voice, pool: Sequence[str], draw: Random) -> tuple[str, ...]:
    seen = set(voice.everywhere)
    found: list[str] = []
    for sentence in draw.sample(list(pool), len(pool)):
        if len(found) == len(voice.persona):
            break
        if normalise(sentence) not in seen:
            seen.add(normalise(sentence))
            found.append(sentence)
    if len(found) < len(voice.persona):
        raise DataError(
            f"a persona of {len(voice.persona)} sentences needs as many of others, the split has "
            f"only {len(found)}; raise tasks.max_personas"
        )
    return tuple(found)


def meeting(tasks: Sequence[PersonaTask], draw: Random) -> Meeting:
    """Draw two personas, a dialogue of each, and the second's first utterance there.

    Raises:
        DataError: fewer than two personas have persona sentences.
    """
    speakers = [those for task in tasks if (those := [d for d in task.dialogues if d.persona])]
    if len(speakers) < 2:
        raise DataError(f"self-play needs two personas with sentences, found {len(speakers)}")
    one, other = (draw.choice(dialogues) for dialogues in draw.sample(speakers, 2))
    return Meeting(tuple(one.persona), tuple(other.persona), other.turns[0].reply)
