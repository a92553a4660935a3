"""For any corpus: nothing is lost on the way to tasks, and candidates are fair."""

from collections import Counter
from itertools import combinations
from random import Random

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.params import MaxPersonas, Tasks
from pipeline.persona.task.text import normalise
from pipeline.persona.tasks.build import build_tasks
from pipeline.persona.tasks.grouping import group, variant_of
from pipeline.persona.tasks.parser import Exchange, ParsedDialogue, parse


BREAKS = "\n\r\t|"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=BREAKS), max_size=12)
WORDS = st.sampled_from(["a", "the", "dog", "dogs", "cat", "?", "!", ".", "i'm", "we"])
REPLIES = st.one_of(st.lists(WORDS, max_size=4).map(" ".join), TEXTS.map(str.strip))
PERSONAS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5).map(
    lambda letters: [f"i like {letter}." for letter in letters]
)


@st.composite
def exchanges(draw) -> Exchange:
    reply = draw(REPLIES)
    others = st.lists(REPLIES, min_size=19, max_size=19)
    candidates = draw(st.none() | others.map(lambda wrong: (*wrong, reply)))
    return Exchange(draw(REPLIES), reply, candidates)


DIALOGUES = st.builds(
    ParsedDialogue, st.just(1), PERSONAS, st.lists(exchanges(), min_size=1, max_size=4)
)
STRANGERS = [
    ParsedDialogue(1, [f"i am {i} {j}." for j in range(3)], [Exchange("hi", f"word {i}", None)])
    for i in range(20)
]
CORPORA = st.lists(DIALOGUES, max_size=8).map(lambda drawn: [*drawn, *STRANGERS])
PARAMS = st.builds(
    Tasks,
    seed=st.integers(0, 9),
    max_personas=st.just(MaxPersonas(train=None, valid=None, test=None)),
)


def written(dialogues) -> str:
    """The corpus in Persona-chat's format."""
    text = ""
    for dialogue in dialogues:
        lines = [f"your persona: {sentence}" for sentence in dialogue.persona]
        for turn in dialogue.exchanges:
            tail = "\t\t" + "|".join(turn.candidates) if turn.candidates else ""
            lines.append(f"{turn.partner}\t{turn.reply}{tail}")
        text += "".join(f"{number} {line}\n" for number, line in enumerate(lines, start=1))
    return text


@settings(deadline=None)
@given(CORPORA)
def test_what_is_written_is_read(dialogues):
    parsed = parse(written(dialogues), origin="x")
    stripped = [
        [Exchange(e.partner.strip(), e.reply, e.candidates) for e in d.exchanges] for d in dialogues
    ]
    assert [d.persona for d in parsed] == [d.persona for d in dialogues]
    assert [d.exchanges for d in parsed] == stripped


@settings(deadline=None, max_examples=50)
@given(CORPORA, PARAMS, st.sampled_from(["train", "valid", "test"]))
def test_every_dialogue_is_in_exactly_one_task(dialogues, params, split):
    tasks = build_tasks(dialogues, split, params)
    placed = {d.dialogue_id: d for task in tasks for d in task.dialogues}
    assert sum(len(task.dialogues) for task in tasks) == len(placed) == len(dialogues)
    for index, dialogue in enumerate(dialogues):
        built = placed[f"{split}-{index:05d}"]
        assert built.persona == dialogue.persona
        assert [(t.partner, t.reply) for t in built.turns] == [
            (e.partner, e.reply) for e in dialogue.exchanges
        ]
    assert len({task.task_id for task in tasks}) == len(tasks)


@settings(deadline=None, max_examples=50)
@given(CORPORA, PARAMS)
def test_candidates_are_the_corpus_own_or_fair(dialogues, params):
    for task in build_tasks(dialogues, "test", params):
        said = {normalise(turn.reply) for d in task.dialogues for turn in d.turns}
        for dialogue in task.dialogues:
            source = dialogues[int(dialogue.dialogue_id[-5:])]
            for turn, exchange in zip(dialogue.turns, source.exchanges, strict=True):
                assert turn.candidates[turn.gold] == turn.reply
                if exchange.candidates:
                    assert Counter(turn.candidates) == Counter(exchange.candidates)
                    continue
                others = [normalise(c) for i, c in enumerate(turn.candidates) if i != turn.gold]
                assert len(others) == len(set(others)) == 19
                assert not said & set(others)
                assert "" not in others


@given(st.lists(PERSONAS, min_size=1, max_size=25))
def test_the_rule_is_the_connected_components_of_all_pairs(personas):
    graph = nx.Graph()
    graph.add_nodes_from(range(len(personas)))
    for one, other in combinations(range(len(personas)), 2):
        a, b = variant_of(personas[one]), variant_of(personas[other])
        if a == b or len(a & b) >= 3:
            graph.add_edge(one, other)
    expected = {frozenset(component) for component in nx.connected_components(graph)}
    groups = group(personas)
    assert {frozenset(members) for members in groups} == expected
    assert len(groups) == len(expected)
    assert all(members == sorted(members) for members in groups)


@given(st.lists(PERSONAS, min_size=1, max_size=15), st.randoms(use_true_random=False))
def test_the_rule_does_not_depend_on_order(personas, random):
    order = list(range(len(personas)))
    random.shuffle(order)
    moved = group([random.sample(personas[i], len(personas[i])) for i in order])
    assert {frozenset(order[i] for i in members) for members in moved} == {
        frozenset(members) for members in group(personas)
    }


@settings(deadline=None, max_examples=30)
@given(CORPORA, PARAMS, st.integers(1, 25))
def test_fewer_personas_are_some_of_the_same_tasks(dialogues, params, limit):
    limits = MaxPersonas(train=None, valid=None, test=limit)
    some = build_tasks(dialogues, "test", params.model_copy(update={"max_personas": limits}))
    everything = build_tasks(dialogues, "test", params)
    assert len(some) == min(limit, len(everything))
    assert [task for task in everything if task in some] == some


@given(st.integers(0, 99))
def test_groups_do_not_depend_on_hash_order(seed):
    personas = [Random(f"{seed}/{i}").sample("abcdefgh", 4) for i in range(12)]
    groups = group(personas)
    assert [members[0] for members in groups] == sorted(members[0] for members in groups)
