"""Two rules of ParlAI: when two replies are the same, and what a word is. No torch.

Data (distractors, leaks) and scores (F1, Hits@1, words per reply) use both rules.
"""

import re
from functools import lru_cache


_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = re.compile(r"[!\"#$%&()*+,\-./:;<=>?@\[\]\\^`{|}~_']")
_SPLIT_MARKS = re.compile(r"([.,;:!?])")


@lru_cache(maxsize=1 << 14)  # candidates return in every fold
def normalise(reply: str) -> str:
    """Normalise a reply as ParlAI's F1 does (Section 4.1).

    In this order: lower case; each punctuation mark becomes a space; the words a, an, the are
    dropped; several blanks become one. Articles are dropped after punctuation, so "a's" loses
    its a.

    >>> normalise("The dog's HERE , an hour ago !")
    'dog s here hour ago'
    """
    text = _PUNCTUATION.sub(" ", reply.lower())
    return " ".join(_ARTICLES.sub(" ", text).split())


def words(reply: str) -> list[str]:
    """Split a reply into words as ParlAI's split tokeniser does; the unit of word perplexity.

    >>> words("I am 20 , ok ?yes.")
    ['i', 'am', '20', ',', 'ok', '?', 'yes', '.']
    """
    return _SPLIT_MARKS.sub(r" \1 ", reply.lower()).split()
