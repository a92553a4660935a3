"""Replies whose queries are long are ranked a few at once, with the same hits."""

import pytest

from pipeline.evaluation.floors import rankers
from pipeline.evaluation.floors.rankers import DocumentFrequencies, tfidf_hits
from tests.support.ranked_tasks import a_task, a_turn


TURNS = [a_turn(f"w{n} a", f"w{n + 1} b", f"w{n + 2}", partner=f"w{n} w{n + 1}") for n in range(30)]


def parts(monkeypatch, characters):
    seen = []
    hits = rankers._hits
    monkeypatch.setattr(rankers, "_CHARACTERS", characters)
    monkeypatch.setattr(rankers, "_hits", lambda v, some: seen.append(len(some)) or hits(v, some))
    test = [a_task(TURNS, persona=["w1 w2 w3 w4 w5"])]
    found = tfidf_hits(DocumentFrequencies.of(test), test)
    monkeypatch.undo()
    return seen, found


@pytest.mark.parametrize("characters", [1, 200])
def test_a_long_query_bounds_how_many_are_ranked_at_once(monkeypatch, characters):
    once, expected = parts(monkeypatch, 10**9)
    assert once == [30]
    seen, found = parts(monkeypatch, characters)
    assert found == expected
    assert sum(seen) == 30
    assert max(seen) == 1 if characters == 1 else 1 < max(seen) < 10
