"""Dialogues in Persona-chat's text format."""


def lines(persona, *turns):
    said = [f"your persona: {persona}", *("\t".join(turn) for turn in turns)]
    return "".join(f"{i} {line}\n" for i, line in enumerate(said, start=1))


def with_candidates(partner, reply):
    return partner, reply, "", "|".join([*(f"no {i}" for i in range(19)), reply])
