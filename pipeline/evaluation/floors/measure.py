"""What needs no learning of ours, on the test replies: floors below the variants, and an oracle.

Hits@1 of a random ranker and of TF-IDF, F1 of two constant replies, perplexity of unigrams; for
the synthetic corpus the grammar's own perplexity. All test replies count, not only the held-out
dialogues of leave-one-out.
"""

from collections.abc import Sequence

from pipeline.evaluation.floors.constant_reply import best_reply, frequent_words, mean_f1
from pipeline.evaluation.floors.rankers import random_hits_at_1, tfidf_hits_at_1
from pipeline.evaluation.floors.unigram import Oracle, ReplyTokens, oracle_ppl, unigram_ppl
from pipeline.persona.task import PersonaTask


Content = dict[str, dict[str, object] | None]


def measure_floors(
    train: Sequence[PersonaTask],
    test: Sequence[PersonaTask],
    tokens: ReplyTokens,
    oracle: Oracle | None,
) -> Content:
    """Return each floor as {metric: value}, and the oracle's perplexity or null.

    Raises:
        DataError: test replies without candidates, or an oracle for other dialogues.
    """
    said, replies = (_replies(tasks) for tasks in (train, test))
    ids = tokens.encode(replies)
    content: Content = {
        "counts": {"personas": len(test), "replies": len(replies)},
        "random": {"hits_at_1": random_hits_at_1(test)},
        "unigram": {"ppl": unigram_ppl(tokens.encode(said), ids, tokens.vocabulary)},
        "oracle": None if oracle is None else {"ppl": oracle_ppl(test, ids, oracle)},
    }
    for name, value in tfidf_hits_at_1(train, test).items():
        content[name] = {"hits_at_1": value}
    for name, choose in {"constant_reply": best_reply, "frequent_words": frequent_words}.items():
        reply = choose(said)
        content[name] = {"f1": mean_f1(reply, replies), "reply": reply}
    return content


def _replies(tasks: Sequence[PersonaTask]) -> list[str]:
    return [turn.reply for task in tasks for d in task.dialogues for turn in d.turns]
