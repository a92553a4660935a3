"""What a model made that is not there any more is not taken for today's parameters' own."""

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.report.samples.few_shot import few_shot_replies, replies_file
from pipeline.evaluation.schemas.adapted_from import made_of_adapted, refuse_other_adaptation
from pipeline.params import Settings
from pipeline.params.edit import with_values
from pipeline.params.stated import in_force, other_params
from stages.commands.samples import samples
from stages.few_shot.conflict import conflict
from stages.few_shot.kept_runs import keep
from stages.few_shot.shot_tests import shot_tests_command
from tests.support.prediction_builder import a_prediction
from tests.support.toy_project import write_tasks
from tests.support.training_runs import run as training_run
from tests.unit.evaluation.few_shot.test_kept_runs import ROWS, write_run
from tests.unit.evaluation.few_shot.test_made_from import FILE, MODEL, made_from
from tests.wiring.closure import ROOT


SETTINGS = Settings.load(ROOT / "params.yaml")


def said_of(variant, **changes):
    """What a file says that was made with params.yaml as it is; its models are gone."""
    own = {key: in_force(SETTINGS, variant)[key] for key in ("seeds", "finetune", "generate")}
    values = {key: value for key, value in in_force(SETTINGS, variant).items() if key not in own}
    said = made_from(variant=variant, params=own, made_with=values)
    return said.model_copy(update=changes)


def write_row(run, variant, said, **parts):
    row = ROWS["transfer"].model_copy(update={"made_from": said, **parts})
    artifacts.write_sealed(run / f"shots/{variant}.json", row.content())


def write_replies(folder, said):
    records = [a_prediction(protocol="k_shot", k=k, epoch=k, greedy="hi") for k in (0, 3)]
    path = folder / replies_file(said.variant)
    artifacts.write_sealed(path, few_shot_replies(records, said).content())
    return path


def edit(run, *values):
    text = (run / artifacts.PARAMS).read_text()
    artifacts.write_text(run / artifacts.PARAMS, with_values(text, values))


EDITED = [  # variant, key, edited value, the first stage to run
    ("in_place", "inner_lr", 0.123, "meta_train in_place 0"),
    ("in_place", "variants.in_place.init", "random", "meta_train in_place 0"),
    ("transfer", "train.lr", 0.123, "train transfer 0"),
    ("adapters", "adapters.rank", 7, "train adapters 0"),
    ("transfer", "base.pretrain.steps", 7, "base"),
    ("transfer", "tasks.seed", 7, "tasks"),
    ("transfer", "data.synthetic.seed", 7, "download"),
    ("p2bot", "p2bot.receiver.steps", 7, "p2_receiver 0"),
    ("p2bot", "p2bot.self_play.steps", 7, "p2_selfplay p2bot 0"),
    ("p2bot", "train.lr", 0.123, "train p2bot_transmitter 0"),
]


@pytest.mark.parametrize(("variant", "key", "value", "first"), EDITED)
def test_sums_of_a_model_that_is_gone_are_of_the_parameters_that_made_it(
    variant, key, value, first, tmp_path
):
    """As while it is trained again, or after a run that diverged."""
    run, study = write_run(tmp_path / "run", {}), tmp_path / "study"
    write_row(run, variant, said_of(variant))
    keep(run, tmp_path / "as-it-was", "run")
    edit(run, f"{key}={value}")
    with pytest.raises(DataError) as caught:
        keep(run, study, "run")
    said = str(caught.value)
    assert said.startswith(f"{run}/shots/{variant}.json: made with {key} ")
    assert f", but {run}/params.yaml has {value}; run `python -m stages.{first}`" in said
    then = f"then `python -m stages.shots {variant}`, or put the value back"
    assert said.endswith(f" and what follows it (or `dvc repro`), {then}")
    assert not study.exists()


CACHED = {"cached": ROWS["transfer"].tuned, "cache_weight": dict.fromkeys((0, 1), 0.3)}


@pytest.mark.parametrize(
    ("parts", "edited", "refused"),
    [
        ({}, "generate.max_new_tokens=2", True),  # it leaves more room for dialogues
        ({}, "generate.top_p=0.1", False),
        (CACHED, "finetune.cache=[0.0, 0.005]", True),
        ({}, "finetune.cache=[0.0, 0.005]", False),
    ],
)
def test_what_decides_which_prompts_and_caches_are_scored_is_compared(
    parts, edited, refused, tmp_path
):
    run, key = write_run(tmp_path / "run", {}), edited.partition("=")[0]
    write_row(run, "transfer", said_of("transfer"), **parts)
    keep(run, tmp_path / "as-it-was", "run")
    edit(run, edited)
    if not refused:
        keep(run, tmp_path / "study", "run")
        return
    with pytest.raises(DataError, match=rf"transfer\.json: made with {key} .* `.*shots transfer`"):
        keep(run, tmp_path / "study", "run")


@pytest.mark.parametrize("command", [shot_tests_command, conflict])
def test_replies_of_a_model_that_is_gone_are_not_kept(command, tmp_path):
    run = write_run(tmp_path / "run", ROWS)
    write_replies(run, said_of("in_place"))
    edit(run, "inner_lr=0.123")
    with pytest.raises(DataError, match=r"replies/in_place\.json: made with inner_lr 0\.1, but "):
        command([run], study=tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_samples_show_no_replies_of_other_parameters_than_their_runs(tmp_path, monkeypatch):
    run, other = (write_run(tmp_path / name, {}) for name in ("run", "other"))
    write_tasks(run, "test", 1)
    tasks = artifacts.sha256_of(run / artifacts.TASKS)
    monkeypatch.chdir(run)
    monkeypatch.setattr("stages.commands.samples.responses_of", lambda *_: {("d0", 1): []})
    monkeypatch.setattr("stages.commands.samples.chosen", lambda *_, **__: [])
    mine = write_replies(run, said_of("in_place", tasks=tasks))
    elsewhere = write_replies(other, said_of("transfer", tasks=tasks))
    edit(other, "inner_lr=0.123")  # of another run, and not of its row
    samples(replies=[mine, elsewhere])
    for key, command in (("inner_lr", "meta_train"), ("generate.top_p", "replies in_place")):
        before = artifacts.PARAMS.read_bytes()
        edit(run, f"{key}=0.123")
        match = rf"in_place\.json: made with {key} .* has 0\.123; run `python -m stages.{command}"
        with pytest.raises(DataError, match=match):
            samples(replies=[mine, elsewhere])
        artifacts.PARAMS.write_bytes(before)
    edit(other, "finetune.lr=0.123")
    with pytest.raises(DataError, match=r"transfer\.json: made with finetune\.lr .* has 0\.123"):
        samples(replies=[mine, elsewhere])
    artifacts.write_sealed(other / "changes.json", {})  # as a study keeps it
    samples(replies=[mine, elsewhere])


def test_an_older_file_is_taken_with_a_note_where_nobody_can_tell(tmp_path, capsys):
    run = write_run(tmp_path / "run", {})
    told, study = said_of("transfer"), tmp_path / "study"
    write_row(run, "transfer", told)
    keep(run, study, "run")
    assert "older version" not in capsys.readouterr().err
    older = made_from(params=told.params)
    write_row(run, "transfer", older)
    keep(run, study, "run")
    said = " ".join(capsys.readouterr().err.split())
    assert "run: shots/transfer.json: of an older version, so the parameters that made" in said
    values = in_force(SETTINGS, "transfer")
    trained = training_run(name="transfer", method="train", params={"train": values["train"]})
    artifacts.write_sealed(run / MODEL / "variant.json", trained.content())
    models = {0: artifacts.sha256_of(run / MODEL), 1: "e" * 64}  # that of seed 1 is gone
    write_row(run, "transfer", older.model_copy(update={"models": models}))
    keep(run, study, "run")
    assert "older version" not in capsys.readouterr().err
    edit(run, "train.lr=0.123")
    with pytest.raises(DataError, match=r"seed-0/variant\.json: made with train\.lr "):
        keep(run, study, "run")


def test_to_an_older_file_of_what_is_there_more_is_added():
    refuse_other_adaptation(FILE, "shots transfer", made_from(), made_from(made_with={"a": 1}))


def test_a_controls_own_values_may_differ():
    """What else is scored moves no number that is there."""
    said = said_of("transfer")
    own = said.params | {"finetune": said.params["finetune"] | {"cache": [0.0], "in_context": True}}
    made = made_of_adapted(FILE, "shots", said.model_copy(update={"params": own}))
    assert [other_params(SETTINGS, one) for one in made] == [None]
