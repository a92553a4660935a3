"""The synthetic corpus's general text, on which φ is pre-trained: it knows nobody of the corpus."""

from statistics import mean

from pipeline.persona.synthetic.corpus import pretrain_text, write_corpus
from pipeline.persona.synthetic.people import people_of
from pipeline.persona.task.text import normalise
from tests.support.synthetic import EMBEDDED, SPLITS, dialogues, embedded, replies


def test_the_general_text_has_the_lines_asked_for():
    for lines in (1, 20, 1000):
        text = pretrain_text(EMBEDDED.model_copy(update={"pretrain_lines": lines}))
        assert sum(line != "" for line in text.splitlines()) == lines
        assert "\n\n\n" not in text
        assert text.endswith("\n")
    blocks = [block.splitlines() for block in embedded()[1].split("\n\n")]
    assert all(12 <= len(block) <= 16 for block in blocks[:-1])


def test_the_general_text_knows_nobody_of_the_corpus():
    world = people_of(EMBEDDED)
    facts = [{(t, p.facts[t]) for t in p.stated} for s in SPLITS for p in world.persons[s]]
    for stranger in world.strangers:
        own = {(topic, stranger.facts[topic]) for topic in stranger.stated}
        assert max(len(own & other) for other in facts) <= 2
    spoken = {line for line in embedded()[1].splitlines() if len(line.split()) > 8}
    test = [r for d in dialogues("test") for r in replies(d) if len(r.split()) > 8]
    assert mean(reply in spoken for reply in test) < 0.05


def test_the_general_text_holds_no_sentence_of_a_held_out_persona():
    general = {normalise(line) for line in embedded()[1].splitlines()}
    for split in ("valid", "test"):
        sentences = {normalise(text) for d in dialogues(split) for text in d.persona}
        assert not general & sentences


def test_the_general_text_and_the_corpus_do_not_depend_on_each_other():
    more = EMBEDDED.model_copy(update={"pretrain_lines": 10})
    assert write_corpus(more) == embedded()[0]
