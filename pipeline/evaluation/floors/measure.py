"""What needs no learning of ours, on the test replies: floors below the variants, and an oracle.

Floors are Hits@1 of a random ranker and of TF-IDF, F1 of two constant replies, and perplexity of
unigrams. The oracle is the synthetic grammar's own perplexity. All test replies count, not only
the held-out dialogues of leave-one-out.
"""

from collections.abc import Iterable

from pipeline.evaluation.floors.constant_reply import best_reply, frequent_words, mean_f1
from pipeline.evaluation.floors.rankers import random_hits_at_1, tfidf_hits_at_1
from pipeline.evaluation.floors.unigram import Oracle, ReplyTokens, encoded, oracle_ppl, unigram_ppl
from pipeline.evaluation.schemas.floors import (
    FloorCounts,
    Floors,
    LikelihoodFloor,
    RankerFloor,
    ReplyFloor,
)
from pipeline.persona.task.record import PersonaTask


def measure_floors(
    train: Iterable[PersonaTask],
    test: Iterable[PersonaTask],
    tokens: ReplyTokens,
    oracle: Oracle | None,
) -> Floors:
    """Return every floor, and the oracle's perplexity or null.

    The tasks are gone through several times, and need not be in memory at once.

    Raises:
        DataError: test replies without candidates, or an oracle for other dialogues.
    """
    train_replies, replies = (_replies(tasks) for tasks in (train, test))
    ids = list(encoded(tokens, replies))
    unigram = unigram_ppl(encoded(tokens, train_replies), ids, tokens.vocabulary)
    tfidf = tfidf_hits_at_1(train, test)
    constant, frequent = best_reply(train_replies), frequent_words(train_replies)
    return Floors(
        counts=FloorCounts(personas=sum(1 for _ in test), replies=len(replies)),
        random=RankerFloor(hits_at_1=random_hits_at_1(test)),
        tfidf=RankerFloor(hits_at_1=tfidf["tfidf"]),
        tfidf_persona=RankerFloor(hits_at_1=tfidf["tfidf_persona"]),
        tfidf_partner=RankerFloor(hits_at_1=tfidf["tfidf_partner"]),
        constant_reply=ReplyFloor(f1=mean_f1(constant, replies), reply=constant),
        frequent_words=ReplyFloor(f1=mean_f1(frequent, replies), reply=frequent),
        unigram=LikelihoodFloor(ppl=unigram),
        oracle=None if oracle is None else LikelihoodFloor(ppl=oracle_ppl(test, ids, oracle)),
    )


def _replies(tasks: Iterable[PersonaTask]) -> list[str]:
    return [turn.reply for task in tasks for d in task.dialogues for turn in d.turns]
