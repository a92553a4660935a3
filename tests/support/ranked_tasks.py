"""Tasks whose turns have candidates, for what ranks without a model."""

from pipeline.persona.task.record import Dialogue, PersonaTask, Turn


def a_task(turns, *, split="test", number=0, persona=("i have a dog .",)):
    dialogue = Dialogue(
        dialogue_id=f"{split}-{number:05d}", persona=list(persona), turns=list(turns)
    )
    return PersonaTask(task_id=f"{split}-{number}", split=split, dialogues=[dialogue])


def a_turn(reply, *distractors, partner="hello"):
    candidates = [*distractors, reply] if distractors else None
    gold = len(distractors) if distractors else None
    return Turn(partner=partner, reply=reply, candidates=candidates, gold=gold)
