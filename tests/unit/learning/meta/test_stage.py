"""The shell of meta-training hands α to the inner loop and β to the outer one."""

import pytest

from pipeline.errors import PipelineError
from pipeline.learning.meta import train
from pipeline.learning.training.rate import Criterion
from pipeline.learning.training.variant_run import VariantRun
from pipeline.params import Settings
from stages import meta_train
from tests.wiring.closure import ROOT


class _StopError(PipelineError):
    pass


@pytest.fixture
def asked(monkeypatch, make_learner):
    """What the stage hands to the loop and to the meta-gradient, before anything is trained."""
    seen = {}
    settings = Settings.load(ROOT / "presets/embedded.yaml")
    monkeypatch.setattr(Settings, "load", lambda: settings)
    monkeypatch.setattr(meta_train, "start", lambda identity, attention, precision: make_learner())
    monkeypatch.setattr(meta_train, "require_context_to_score", lambda learner: None)
    monkeypatch.setattr(meta_train, "load_tasks", lambda split, learner: [])
    monkeypatch.setattr(train, "with_two_dialogues", lambda tasks, split: tasks)
    monkeypatch.setattr(train, "require_room", lambda *_: None)
    monkeypatch.setattr(VariantRun, "checkpoint", lambda self: None)
    for module, name in ((train.maml, "meta_gradient"), (train.validation, "validate")):

        def noted(*args, _name=name, **kw):
            seen[_name] = args[3]
            return 0.0, 0.0

        monkeypatch.setattr(module, name, noted)

    def run(learned, step, validate, schedule, session):
        step(learned, 0)
        validate(learned)
        seen["schedule"] = schedule
        raise _StopError

    monkeypatch.setattr(train.loop, "run", run)
    with pytest.raises(_StopError):
        meta_train.meta_train("in_place", 0)
    return seen, settings.check()


def test_alpha_is_the_inner_rate_and_beta_the_outer(asked):
    seen, params = asked
    assert params.inner_lr != params.outer_lr
    for use in ("meta_gradient", "validate"):
        assert seen[use].lr == params.inner_lr
        assert seen[use].steps == params.inner_steps * params.inner_dialogues
    assert seen["schedule"].lr == params.outer_lr
    assert seen["schedule"].steps == params.outer_steps


def test_early_stopping_watches_the_loss_after_adaptation(asked):
    assert asked[0]["schedule"].criterion == Criterion("valid_adapted_loss", "lowest")
