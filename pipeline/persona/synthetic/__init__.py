"""The synthetic corpus: a seeded world of people who talk in Persona-chat's format.

`lexicon` and `phrases` are its words, `grammar` samples and scores, `people` has traits, `dialogue`
lets two people talk, `corpus` writes the files.
"""
