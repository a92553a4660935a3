"""Drawing distractors where a corpus has none, and placing the gold reply."""

from collections import Counter
from random import Random

import pytest

from pipeline.errors import DataError
from pipeline.persona.task.text import normalise
from pipeline.persona.tasks.candidates import MOST_TRIES, Others, Pool, draw, shuffled_order


OTHERS = [f"i have {i} dogs ." for i in range(40)]


def drawn(reply="gold", said=OTHERS, own=frozenset(), seed=0):
    return draw(reply, Others(Pool(said), own), random=Random(seed), origin="test-0/1")


def test_nineteen_others_then_the_gold_reply():
    candidates = drawn()
    assert candidates[-1] == "gold"
    assert len(candidates) == 20
    assert set(candidates[:-1]) <= set(OTHERS)
    assert len(set(candidates)) == 20


def test_distractors_differ_after_normalisation():
    spelled = [text for i in range(19) for text in (f"dog {i} .", f"The dog {i} !", f"a DOG, {i}")]
    for seed in range(20):
        distractors = drawn(said=spelled, seed=seed)[:-1]
        assert sorted(map(normalise, distractors)) == sorted(f"dog {i}" for i in range(19))


def test_neither_the_gold_in_another_spelling_nor_ones_own_replies():
    said = [*OTHERS[:20], "A gold !", "the GOLD"]
    own = {normalise(OTHERS[0])}
    for seed in range(20):
        assert sorted(drawn(said=said, own=own, seed=seed)[:-1]) == sorted(OTHERS[1:20])


def test_what_is_empty_after_normalisation_is_no_distractor():
    assert [reply.text for reply in Pool(["?!", "yes .", "the", ""]).replies] == ["yes ."]


def test_the_same_generator_gives_the_same_distractors():
    assert drawn(seed=1) == drawn(seed=1)
    assert drawn(seed=1) != drawn(seed=2)


def test_every_reply_is_as_likely_as_any_other():
    drawn_in = Counter(text for seed in range(2000) for text in drawn(seed=seed)[:-1])
    expected = 2000 * 19 / 40
    assert set(drawn_in) == set(OTHERS)
    assert all(abs(count - expected) < 5 * 22 for count in drawn_in.values())  # 22: one σ


def test_too_few_replies_of_others():
    assert len(drawn(said=OTHERS[:19])) == 20
    with pytest.raises(DataError, match=r"test-0/1: 19 distractors.*only 18 distinct"):
        drawn(said=OTHERS[:18])


class Counting(Random):
    """Counts how often it is asked."""

    asked = 0

    def randrange(self, *args):
        self.asked += 1
        return super().randrange(*args)


def counted(said, own=frozenset()):
    random = Counting(0)
    try:
        return draw("gold", Others(Pool(said), own), random=random, origin="x"), random.asked
    except DataError:
        return None, random.asked


def test_too_few_texts_are_refused_without_a_draw():
    """20,000 replies of 10 texts took minutes: each reply looked at all of the others."""
    assert counted(OTHERS[:18] * 100) == (None, 0)
    assert counted(["a gold", *OTHERS[:18]] * 100) == (None, 0)
    assert counted(OTHERS * 100, own=set(map(normalise, OTHERS[18:]))) == (None, 0)


@pytest.mark.parametrize(
    ("common", "own"), [("gold", ()), ("i am me", ("i am me",)), ("i am me", ())]
)
def test_where_few_of_many_differ_the_tries_are_bounded(common, own):
    said = [*[common] * 10 * MOST_TRIES, *OTHERS[:19]]
    candidates, asked = counted(said, own=set(own))
    assert set(candidates) <= {*OTHERS[:19], "gold", *{common} - set(own)}
    assert len(set(candidates)) == 20
    assert asked <= MOST_TRIES + 40


def by_all_of_the_pool(reply, said, own, random):
    """The draw as it is said: a shuffle, and the first 19 that differ."""
    order, chosen, seen = list(said), [], {normalise(reply), *own}
    for last in range(len(order) - 1, -1, -1):
        place = random.randrange(last + 1)
        text, order[place] = order[place], order[last]
        if normalise(text) not in seen and len(chosen) < 19:
            seen.add(normalise(text))
            chosen.append(text)
    return [*chosen, reply] if len(chosen) == 19 else None


@pytest.mark.parametrize("texts", [19, 25, 300])
def test_a_set_is_the_first_that_differ_of_a_shuffle(texts):
    said = [f"i have {i % texts} dogs {'!' * (i % 3)}" for i in range(MOST_TRIES)]
    for seed in range(5):
        own = {normalise(text) for text in said[: 2 * seed]}
        expected = by_all_of_the_pool("gold", said, own, Random(seed))
        if expected is None:
            assert len(set(map(normalise, said)) - own) < 19
        else:
            assert drawn(said=said, own=own, seed=seed) == expected


def test_the_gold_reply_can_be_anywhere():
    places = Counter(shuffled_order(20, Random(seed)).index(19) for seed in range(4000))
    assert set(places) == set(range(20))
    assert all(abs(count - 200) < 5 * 14 for count in places.values())  # 14: one σ
    assert sorted(shuffled_order(20, Random(0))) == list(range(20))
