"""The synthetic corpus: its format, its people, its difficulty, its sizes."""

import math
import re
import time
from collections import Counter
from functools import cache
from itertools import pairwise
from random import Random
from statistics import mean, median

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import ByteLevelBPETokenizer

from pipeline.errors import DataError
from pipeline.params import People, Synthetic
from pipeline.persona.synthetic import people
from pipeline.persona.synthetic.corpus import Corpus, _shuffled, pretrain_text, write_corpus
from pipeline.persona.synthetic.lexicon import BY_NAME, STATED, TOPICS, Topic
from pipeline.persona.synthetic.people import people_of
from pipeline.persona.synthetic.phrases import SYMBOLS
from pipeline.persona.tasks.grouping import group, normalise_sentence
from pipeline.persona.tasks.parser import ParsedDialogue, parse
from pipeline.persona.text import normalise


SPLITS = ("train", "valid", "test")
EMBEDDED = Synthetic(
    seed=0, people=People(train=60, valid=8, test=16), dialogues=10, pretrain_lines=20_000
)
MARKS = 8  # tokens around the two texts of an exchange, at most


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


def test_every_line_is_personachats_format():
    for split in SPLITS:
        number = 0
        for line in embedded()[0].texts[split].splitlines():
            written, text = line.split(" ", 1)
            number = 1 if written == "1" else number + 1
            assert written == str(number)
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


def test_a_person_has_five_facts_and_their_sentences_are_paraphrased():
    seen = []
    for person in personas("test"):
        sentences = {normalise_sentence(s) for d in person for s in d.persona}
        assert 5 <= len(sentences) <= 15
        seen.append(len(sentences))
    assert mean(seen) > 6
    assert all(len(p.stated) == 5 for p in people_of(EMBEDDED).persons["test"])


def test_a_persona_sentence_tells_its_topic_and_value():
    meaning: dict[str, tuple[str, str]] = {}
    for topic in (BY_NAME[name] for name in STATED):
        for value in topic.values:
            for form in topic.persona:
                sentence = normalise_sentence(form.format(v=value))
                assert meaning.setdefault(sentence, (topic.name, value)) == (topic.name, value)


def test_a_world_that_is_full_says_so(monkeypatch):
    monkeypatch.setattr(people, "MOST_SHARED", -1)
    monkeypatch.setattr(people, "ATTEMPTS", 3)
    with pytest.raises(DataError, match="after 0 people"):
        people_of(EMBEDDED)


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


def test_candidates_are_of_others_and_distinct():
    for split in SPLITS:
        everyone = keys(*dialogues(split))
        for person in personas(split):
            own = keys(*person)
            for exchange in (exchange for d in person for exchange in d.exchanges):
                assert exchange.candidates is not None
                *distractors, gold = exchange.candidates
                distinct = {normalise(text) for text in distractors}
                assert gold == exchange.reply
                assert len(distractors) == len(distinct) == 19
                assert "" not in distinct
                assert not distinct & own
                assert distinct <= everyone


def test_distractors_are_of_the_same_kind_where_there_are_enough():
    colors = set(BY_NAME["color"].values)
    forms = re.compile("|".join(f.split("{v}")[0] for f in ("my favorite color is {v}",)))
    shares = [
        mean(bool(set(text.split()) & colors) for text in exchange.candidates[:-1])
        for dialogue in dialogues("train")
        for exchange in dialogue.exchanges
        if exchange.candidates and forms.search(exchange.reply) and "color" in exchange.partner
    ]
    assert mean(shares) > 0.9


def test_a_shuffle_yields_every_item_once_and_any_order():
    orders = Counter(tuple(_shuffled("abc", Random(seed))) for seed in range(1200))
    assert {"".join(order) for order in orders} == {"abc", "acb", "bac", "bca", "cab", "cba"}
    assert all(140 < number < 260 for number in orders.values())


def test_few_people_still_get_distractors():
    params = EMBEDDED.model_copy(update={"people": People(train=1, valid=1, test=1)})
    corpus = write_corpus(params.model_copy(update={"dialogues": 1}))
    for dialogue in parse(corpus.texts["test"], origin="test"):
        own = keys(dialogue)
        for exchange in dialogue.exchanges:
            assert exchange.candidates is not None
            distractors = {normalise(text) for text in exchange.candidates[:-1]}
            assert len(distractors) == 19
            assert not distractors & own


def test_a_tfidf_ranker_is_neither_blind_nor_right():
    texts = [t for d in dialogues("train") for e in d.exchanges for t in (e.partner, e.reply)]
    texts += [sentence for d in dialogues("train") for sentence in d.persona]
    vectorizer = TfidfVectorizer().fit(texts)
    hits = []
    for dialogue in dialogues("test"):
        for exchange in dialogue.exchanges:
            query = vectorizer.transform([" ".join([*dialogue.persona, exchange.partner])])
            scores = (vectorizer.transform(exchange.candidates) @ query.T).toarray().ravel()
            hits.append(float(scores[-1] > scores[:-1].max()))
    assert 5 < 100 * mean(hits) < 50


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


def test_the_same_parameters_give_the_same_bytes_in_time():
    started = time.process_time()
    assert (write_corpus(EMBEDDED), pretrain_text(EMBEDDED)) == embedded()
    assert time.process_time() - started < 5
    other = EMBEDDED.model_copy(update={"seed": 1})
    assert write_corpus(other).texts["test"] != embedded()[0].texts["test"]


def test_the_general_text_and_the_corpus_do_not_depend_on_each_other():
    more = EMBEDDED.model_copy(update={"pretrain_lines": 10})
    assert write_corpus(more) == embedded()[0]


def bigrams(text: str) -> list[tuple[str, str]]:
    words = ["<s>", *text.split(), "</s>"]
    return list(pairwise(words))


def cross_entropy(query: list[str], support: list[str], general: Counter[str]) -> float:
    """Nats per word of a unigram model of everybody, mixed with a bigram model of `support`."""
    own = Counter(pair for text in support for pair in bigrams(text))
    before = Counter(pair[0] for text in support for pair in bigrams(text))
    total = sum(general.values())
    nats = []
    for one, word in (pair for text in query for pair in bigrams(text)):
        everybody = (general[word] + 1) / (total + 1000)
        nats.append(-math.log((own[one, word] + 5 * everybody) / (before[one] + 5)))
    return mean(nats)


@pytest.mark.parametrize("shots", [3, 8])
def test_a_persons_dialogues_tell_more_of_them_than_a_strangers(shots):
    general = Counter(b for d in dialogues("train") for r in replies(d) for _, b in bigrams(r))
    people = personas("test")
    gaps = []
    for i, person in enumerate(people):
        query = replies(person[-1])
        own = [reply for dialogue in person[:shots] for reply in replies(dialogue)]
        other = [r for d in people[(i + 1) % len(people)][:shots] for r in replies(d)]
        gaps.append(cross_entropy(query, other, general) - cross_entropy(query, own, general))
    assert mean(gaps) > 0.15
    assert min(gaps) > 0


def test_people_keep_to_their_own_words():
    shares = []
    for person in personas("test"):
        said = [w for d in person for r in replies(d) for w in r.split() if w in SYMBOLS["great"]]
        shares.append(Counter(said).most_common(1)[0][1] / len(said))
    assert mean(shares) > 0.6


def answers(person: list[ParsedDialogue], topic: Topic) -> list[str]:
    """What the person replied to questions about the topic."""
    return [
        exchange.reply
        for dialogue in person
        for exchange in dialogue.exchanges
        if any(exchange.partner.endswith(question) for question in topic.ask)
    ]


def test_a_persons_answers_agree_over_their_dialogues():
    """Also on topics that no persona text states: adaptation can learn them."""
    several = Counter[str]()
    for person in personas("test"):
        for topic in TOPICS:
            given = answers(person, topic)
            same = {v for v in topic.values if all(f" {v} " in f" {text} " for text in given)}
            assert same, (topic.name, given)
            several["latent" if not topic.persona else "stated"] += len(given) > 1
    assert min(several.values()) > 20


def test_answers_agree_with_the_persona_text():
    agreed = 0
    for person in personas("test"):
        sentences = {sentence for dialogue in person for sentence in dialogue.persona}
        for topic in (BY_NAME[name] for name in STATED):
            told = {
                v for v in topic.values for form in topic.persona if form.format(v=v) in sentences
            }
            assert len(told) <= 1
            for value in told:
                assert all(f" {value} " in f" {text} " for text in answers(person, topic))
                agreed += len(answers(person, topic))
    assert agreed > 50
