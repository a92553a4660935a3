"""Episodes and batches: who is drawn, what is seen, and that order does not matter."""

from collections import Counter

import pytest

from pipeline.errors import TrainingError
from pipeline.learning.task_loss.episodes import (
    EncodedTask,
    EpisodeSize,
    num_replies,
    reply_batch,
    training_episodes,
    validation_episodes,
    with_two_dialogues,
)
from pipeline.model.sequences.encoding import Encoder
from tests.conftest import a_dialogue


@pytest.fixture
def tasks(tokenizer):
    encoder = Encoder(tokenizer, context=256)
    return [
        EncodedTask(f"t{t}", tuple(encoder.encode(a_dialogue(10 * t + d)) for d in range(1 + t)))
        for t in range(5)
    ]


def replies(pieces):
    return [(piece.window.ids[s.start : s.end]) for piece in pieces for s in piece.spans]


def of(replies, dialogues=1):
    return EpisodeSize(dialogues, replies, replies)


def test_support_and_query_are_different_dialogues_of_one_persona(tasks):
    usable = with_two_dialogues(tasks, "train")
    assert [task.task_id for task in usable] == ["t1", "t2", "t3", "t4"]
    owner = {w: t.task_id for t in tasks for d in t.dialogues for w in d}
    for step in range(50):
        for episode in training_episodes(usable, 3, of(2), seed=0, step=step):
            support = {piece.window for piece in episode.support}
            query = {piece.window for piece in episode.query}
            assert not support & query
            assert {owner[w] for w in support | query} == {episode.task_id}
            assert len(replies(episode.support)) == len(replies(episode.query)) == 2


def test_several_support_dialogues_are_different_and_as_many_as_there_are(tasks):
    usable = with_two_dialogues(tasks, "train")
    size = {task.task_id: len(task.dialogues) for task in usable}
    drawn = [
        episode
        for step in range(20)
        for episode in training_episodes(usable, 4, of(None, dialogues=3), seed=0, step=step)
    ]
    for episode in drawn:
        sets = [*episode.supports, episode.query]
        windows = [{piece.window for piece in pieces} for pieces in sets]
        assert len(set.union(*windows)) == sum(map(len, windows))
        assert len(episode.supports) == min(3, size[episode.task_id] - 1)
    assert {len(episode.supports) for episode in drawn} == {1, 2, 3}


def test_draws_depend_on_seed_and_step_alone(tasks):
    usable = with_two_dialogues(tasks, "train")

    def draw(seed, step):
        return training_episodes(usable, 2, of(None), seed=seed, step=step)

    late = draw(0, 7)
    assert [draw(0, s) for s in (3, 7)][1] == late
    assert draw(1, 7) != late
    assert draw(0, 8) != late


def test_every_task_and_every_reply_is_drawn(tasks):
    usable = with_two_dialogues(tasks, "train")
    seen = Counter(
        reply
        for step in range(300)
        for e in training_episodes(usable, 4, of(1), seed=0, step=step)
        for reply in replies(e.query)
    )
    there = {
        w.ids[s.start : s.end] for t in usable for d in t.dialogues for w in d for s in w.spans
    }
    assert seen.keys() == there


def test_validation_is_fixed_and_scores_whole_dialogues(tasks):
    usable = with_two_dialogues(tasks, "valid")
    episodes = validation_episodes(usable, of(1), draws=2)
    assert episodes == validation_episodes(usable, of(1), draws=2)
    assert len(episodes) == 8
    assert all(len(replies(e.support)) == 1 and len(replies(e.query)) == 3 for e in episodes)


def test_no_task_with_two_dialogues_is_an_error(tasks):
    with pytest.raises(TrainingError, match="split train: no persona has two dialogues"):
        with_two_dialogues(tasks[:1], "train")


def test_an_epoch_of_batches_holds_every_reply_once(tasks):
    dialogues = [d for task in tasks for d in task.dialogues]
    total = sum(map(num_replies, dialogues))
    size = 4
    steps = -(-total // size)
    for epoch in range(2):
        batches = [
            reply_batch(dialogues, size=size, seed=0, step=epoch * steps + s) for s in range(steps)
        ]
        assert all(len(replies(b)) == size for b in batches[:-1])
        counts = Counter(reply for batch in batches for reply in replies(batch))
        expected = Counter(w.ids[s.start : s.end] for d in dialogues for w in d for s in w.spans)
        assert counts == expected


def test_batches_take_consecutive_replies_and_cut_after_the_last(tasks):
    dialogues = [d for task in tasks for d in task.dialogues]
    for step in range(20):
        for piece in reply_batch(dialogues, size=4, seed=3, step=step):
            turns = [span.turn for span in piece.spans]
            assert turns == list(range(turns[0], turns[0] + len(turns)))
            assert len(piece.ids) == piece.spans[-1].end
