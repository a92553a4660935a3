"""The synthetic corpus's candidates: fair, and of the reply's own kind."""

import re
from collections import Counter
from random import Random
from statistics import mean

from sklearn.feature_extraction.text import TfidfVectorizer

from pipeline.params import People
from pipeline.persona.synthetic.corpus import _shuffled, write_corpus
from pipeline.persona.synthetic.lexicon import BY_NAME
from pipeline.persona.task.text import normalise
from pipeline.persona.tasks.parser import parse
from tests.support.synthetic import EMBEDDED, SPLITS, dialogues, keys, personas


def test_candidates_are_of_others_and_distinct():
    for split in SPLITS:
        everyone = keys(*dialogues(split))
        for person in personas(split):
            own = keys(*person)
            for exchange in (exchange for d in person for exchange in d.exchanges):
                assert exchange.candidates is not None
                *distractors, gold = exchange.candidates
                found = {normalise(text) for text in distractors}
                assert gold == exchange.reply
                assert len(distractors) == len(found) == 19
                assert "" not in found
                assert not found & own
                assert found <= everyone


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
            found = {normalise(text) for text in exchange.candidates[:-1]}
            assert len(found) == 19
            assert not found & own


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
