"""The embedded preset's synthetic corpus: written once, parsed, grouped by person."""

from functools import cache

from pipeline.params import People, Synthetic
from pipeline.persona.synthetic.corpus import Corpus, pretrain_text, write_corpus
from pipeline.persona.task.text import normalise
from pipeline.persona.tasks.grouping import group
from pipeline.persona.tasks.parser import ParsedDialogue, parse


SPLITS = ("train", "valid", "test")


EMBEDDED = Synthetic(
    seed=0, people=People(train=60, valid=8, test=16), dialogues=10, pretrain_lines=20_000
)


@cache
def embedded() -> tuple[Corpus, str]:
    return write_corpus(EMBEDDED), pretrain_text(EMBEDDED)


@cache
def dialogues(split: str) -> list[ParsedDialogue]:
    return parse(embedded()[0].texts[split], origin=split)


@cache
def personas(split: str) -> list[list[ParsedDialogue]]:
    everything = dialogues(split)
    groups = group([dialogue.persona for dialogue in everything])
    return [[everything[i] for i in indices] for indices in groups]


def replies(dialogue: ParsedDialogue) -> list[str]:
    return [exchange.reply for exchange in dialogue.exchanges]


def keys(*given: ParsedDialogue) -> set[str]:
    return {normalise(reply) for dialogue in given for reply in replies(dialogue)}
