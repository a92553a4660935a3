"""What the tests of self-play share: toy tasks, parameters, normal training beside it."""

from pipeline.learning.task_loss.episodes import encode_tasks
from pipeline.learning.training.supervised import supervised_step
from pipeline.params import SelfPlay
from pipeline.persona.task.record import PersonaTask
from tests.conftest import a_dialogue


TASKS = [
    PersonaTask(task_id=f"t{i}", split="train", dialogues=[a_dialogue(i), a_dialogue(i + 5)])
    for i in range(4)
]


def params(**values):
    given = {
        "lr": 0.001, "steps": 4, "warmup_steps": 0, "clip": 1.0, "validate_every": 2,
        "patience": 99, "turns": 2, "rollouts": 4, "valid_meetings": 2, "max_new_tokens": 5,
        "top_k": 20, "temperature": 1.5, "no_repeat_ngram": 2, "gamma": 0.5, "language": 0.5,
        "coherence": 0.1, "persona": 0.5, "penalty": 0.1, "supervised_probability": 0.25,
        "supervised_batch_size": 3,
    }  # fmt: skip
    return SelfPlay(**given | values)


def first_coordinate(states):
    return states[:, 0].sigmoid()


def supervised(game):
    encoded = encode_tasks(TASKS, game.learner.encoder)
    return supervised_step(game.learner, encoded, batch_size=3, seed=0)


def leaves(game):
    return {n: v.clone().requires_grad_() for n, v in game.learner.theta.items()}
