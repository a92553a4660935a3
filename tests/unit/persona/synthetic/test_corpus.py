"""The synthetic corpus: its format, its people, its difficulty, its sizes."""

import json
import math
import re
import time
from collections import Counter
from functools import cache
from itertools import pairwise
from statistics import mean, median

from tokenizers import ByteLevelBPETokenizer

from pipeline import artifacts
from pipeline.persona.synthetic.corpus import oracle_json, pretrain_text, write_corpus
from pipeline.persona.synthetic.spool import Spool
from pipeline.persona.task.text import normalise
from tests.support.synthetic import EMBEDDED, SPLITS, dialogues, embedded, keys, personas, replies


MARKS = 8  # tokens around the two texts of an exchange, at most


def test_every_line_is_personachats_format():
    for split in SPLITS:
        number = 0
        for line in embedded()[0].texts[split].splitlines():
            found, text = line.split(" ", 1)
            number = 1 if found == "1" else number + 1
            assert found == str(number)
            assert re.fullmatch(r"your persona: [a-z ]+\.|[^\t]+\t[^\t]+\t\t[^\t]+", text), line


def test_the_text_is_lower_case_with_spaced_punctuation():
    lines = embedded()[1].split("\n") + [r for d in dialogues("train") for r in replies(d)]
    for line in lines:
        assert re.fullmatch(r"|[a-z,.?!]+( [a-z,.?!]+)*", line), line
        assert all(re.fullmatch(r"[a-z]+|[,.?!]", word) for word in line.split()), line
        assert line == "" or line[-1] in ".?!"


def test_the_sizes_of_splits_persons_and_dialogues():
    for split, expected, allowed in (
        ("train", 60, {1, *range(6, 11)}),
        ("valid", 8, {10}),
        ("test", 16, {10}),
    ):
        sizes = Counter(len(person) for person in personas(split))
        assert sum(sizes.values()) == expected
        assert set(sizes) <= allowed
    assert Counter(len(person) for person in personas("train"))[1] == 3
    for dialogue in (dialogue for split in SPLITS for dialogue in dialogues(split)):
        assert 3 <= len(dialogue.persona) <= 5
        assert 6 <= len(dialogue.exchanges) <= 8
    shown = [len(dialogue.persona) for dialogue in dialogues("train")]
    assert mean(number >= 4 for number in shown) > 0.8
    assert 3 in shown


def test_the_file_order_mixes_the_persons():
    owner = {id(d): i for i, person in enumerate(personas("test")) for d in person}
    order = [owner[id(d)] for d in dialogues("test")]
    assert sum(a == b for a, b in pairwise(order)) < 40


def test_the_oracle_has_a_finite_positive_number_for_every_reply():
    corpus = embedded()[0]
    assert tuple(corpus.oracle) == tuple(corpus.texts) == SPLITS
    for split in SPLITS:
        shapes = [len(dialogue.exchanges) for dialogue in dialogues(split)]
        assert [len(nats) for nats in corpus.oracle[split]] == shapes
        assert all(math.isfinite(n) and n > 0 for nats in corpus.oracle[split] for n in nats)


def test_the_oracle_is_far_below_a_unigram_model():
    counts = Counter(w for d in dialogues("train") for r in replies(d) for w in r.split())
    total = sum(counts.values())
    unigram = sum(
        -math.log((counts[w] + 1) / (total + 1000))
        for d in dialogues("test")
        for r in replies(d)
        for w in r.split()
    )
    oracle = sum(n for nats in embedded()[0].oracle["test"] for n in nats)
    assert oracle < 0.25 * unigram


def test_the_oracle_belongs_to_its_reply():
    """Longer replies take more choices; nats in another order would not go with length."""
    pairs = [
        (len(reply.split()), nats)
        for dialogue, row in zip(dialogues("test"), embedded()[0].oracle["test"], strict=True)
        for reply, nats in zip(replies(dialogue), row, strict=True)
    ]
    long = mean(nats for length, nats in pairs if length >= 12)
    short = mean(nats for length, nats in pairs if length <= 5)
    assert long > short + 2


def test_little_is_said_twice():
    for split in SPLITS:
        for person in personas(split):
            for dialogue in person:
                others = keys(*(other for other in person if other is not dialogue))
                repeated = [normalise(reply) in others for reply in replies(dialogue)]
                assert mean(repeated) < 0.05


def test_the_vocabulary_and_the_length_in_tokens():
    general = embedded()[1]
    spoken = [reply for s in SPLITS for d in dialogues(s) for reply in replies(d)]
    assert 300 <= len({word for text in [*spoken, general] for word in text.split()}) <= 1200
    tokenizer = ByteLevelBPETokenizer()
    lines = (" " + line for line in general.splitlines())
    tokenizer.train_from_iterator(lines, vocab_size=1024, show_progress=False)

    @cache
    def size(text: str) -> int:
        return len(tokenizer.encode(" " + text).ids)

    lengths = [
        sum(map(size, dialogue.persona))
        + sum(MARKS + size(e.partner) + size(e.reply) for e in dialogue.exchanges)
        for split in SPLITS
        for dialogue in dialogues(split)
    ]
    assert median(lengths) <= 260
    assert max(lengths) <= 350


def test_two_talkative_people_stop_earlier():
    for dialogue in (d for split in SPLITS for d in dialogues(split) if len(d.exchanges) == 8):
        spoken = " ".join(f"{e.partner} {e.reply}" for e in dialogue.exchanges[:6])
        assert len(spoken.split()) <= 130


def test_the_same_parameters_give_the_same_bytes_in_time():
    started = time.process_time()
    assert (write_corpus(EMBEDDED), pretrain_text(EMBEDDED)) == embedded()
    assert time.process_time() - started < 5
    other = EMBEDDED.model_copy(update={"seed": 1})
    assert write_corpus(other).texts["test"] != embedded()[0].texts["test"]


def test_the_oracles_file_is_written_a_dialogue_at_a_time_in_the_projects_format():
    oracle = embedded()[0].oracle
    lines = {split: map(json.dumps, dialogues) for split, dialogues in oracle.items()}
    assert "".join(oracle_json(lines)) == artifacts.json_text(oracle)


def test_a_spool_gives_each_text_back_and_leaves_no_file(tmp_path):
    spool, texts = Spool(tmp_path), ["a", "", "φ\n\u2028", "b" * 10_000]
    for text in texts:
        spool.add(text)
    assert [spool[number] for number in (3, 0, 2, 1)] == [texts[i] for i in (3, 0, 2, 1)]
    spool.add("more")
    assert [*spool] == [*texts, "more"]
    assert not [*tmp_path.iterdir()]
    spool.close()
