"""The synthetic corpus: a seeded world of people who talk, in Persona-chat's format.

Comes in: `data.synthetic.*` of `params.yaml`. Goes out: the text of each split, the oracle's
scores, and a text for pre-training. Read `corpus.py` first: it writes the files. `people.py` makes
people with facts and habits, `dialogue.py` lets two of them talk, `grammar.py` samples and scores,
and `lexicon.py` and `phrases.py` hold the words.
"""
