"""What needs no learning of ours, on the test replies: floors below the variants, and an oracle.

Floors are Hits@1 of a random ranker and of TF-IDF, F1 of two constant replies, and perplexity of
unigrams. The oracle is the synthetic grammar's own perplexity. All test replies count, not only
the held-out dialogues of leave-one-out.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from pipeline.evaluation.floors.constant_reply import Bags, mean_f1
from pipeline.evaluation.floors.rankers import (
    DocumentFrequencies,
    random_hits_at_1,
    tfidf_hits_at_1,
)
from pipeline.evaluation.floors.unigram import (
    Oracle,
    ReplyTokens,
    TokenCounts,
    encoded,
    oracle_ppl,
    unigram_ppl,
)
from pipeline.evaluation.schemas.floors import (
    FloorCounts,
    FloorScores,
    LikelihoodFloor,
    RankerFloor,
    ReplyFloor,
)
from pipeline.persona.task.record import PersonaTask


_AT_ONCE = 16  # tasks


def measure_floors(
    train: Iterable[PersonaTask],
    test: Iterable[PersonaTask],
    tokens: ReplyTokens,
    oracle: Oracle | None,
) -> FloorScores:
    """Return every floor, and the oracle's perplexity or null.

    The tasks are gone through several times, and need not be in memory at once. Of train are kept
    counts, and the words of its replies as numbers; of test the replies.

    Raises:
        DataError: test replies without candidates, or an oracle for other dialogues.
    """
    learnt = _Train(tokens)
    learnt.add(train)
    replies, said = [*_replies(test)], TokenCounts()
    said.add(encoded(tokens, replies))
    unigram = unigram_ppl(learnt.said, said, tokens.vocabulary)
    tfidf = tfidf_hits_at_1(learnt.frequencies, test)
    constant = next(islice(_replies(train), learnt.bags.best(), None))
    frequent = learnt.bags.frequent()
    return FloorScores(
        counts=FloorCounts(personas=sum(1 for _ in test), replies=len(replies)),
        random=RankerFloor(hits_at_1=random_hits_at_1(test)),
        tfidf=RankerFloor(hits_at_1=tfidf["tfidf"]),
        tfidf_persona=RankerFloor(hits_at_1=tfidf["tfidf_persona"]),
        tfidf_partner=RankerFloor(hits_at_1=tfidf["tfidf_partner"]),
        constant_reply=ReplyFloor(f1=mean_f1(constant, replies), reply=constant),
        frequent_words=ReplyFloor(f1=mean_f1(frequent, replies), reply=frequent),
        unigram=LikelihoodFloor(ppl=unigram),
        oracle=None if oracle is None else LikelihoodFloor(ppl=oracle_ppl(test, said, oracle)),
    )


class _Train:
    """What the floors learn from train, in one pass."""

    def __init__(self, tokens: ReplyTokens) -> None:
        self.frequencies, self.bags, self.said = DocumentFrequencies(), Bags(), TokenCounts()
        self._tokens = tokens

    def add(self, tasks: Iterable[PersonaTask]) -> None:
        """Learn from tasks, a few at a time."""
        stream = iter(tasks)
        while some := [*islice(stream, _AT_ONCE)]:
            replies = [*_replies(some)]
            self.said.add(encoded(self._tokens, replies))
            for task in some:
                self.frequencies.add(task)
            for reply in replies:
                self.bags.add(reply)


def _replies(tasks: Iterable[PersonaTask]) -> Iterator[str]:
    return (turn.reply for task in tasks for d in task.dialogues for turn in d.turns)
