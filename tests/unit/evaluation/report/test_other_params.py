"""Numbers beside parameters that did not make them: refused, with the key and both values."""

import json

import pytest

from pipeline import artifacts
from pipeline.evaluation.kept.documents import pages
from pipeline.evaluation.kept.keep import keep
from pipeline.params import read_yaml
from pipeline.params.edit import with_values
from pipeline.params.settings import settings_of
from pipeline.params.stated import recorded
from pipeline.params.views import BaseParams
from pipeline.strict_json import SEAL
from stages.commands.samples import samples
from stages.commands.table import table
from stages.compare import compare
from stages.report import report
from stages.score import score
from tests.support.toy_project import write_params
from tests.support.whole_run import project, refused
from tests.wiring.closure import ROOT


__all__ = ["project"]


def edit(folder, key, value):
    """Edit params.yaml by hand, after the run."""
    params = node = read_yaml(folder / artifacts.PARAMS)
    *sections, last = key.split(".")
    for section in sections:
        node = node[section]
    node[last] = value
    write_params(folder, params)


def ask(command, folder):
    """Call a command as a user does, with its least arguments."""
    if command is samples:
        samples(count=1, seed=0, out=None)
    elif command is keep:
        keep(folder, folder / "studies/mine")
    else:
        command()


STATE = (report, table, samples, compare, keep)


@pytest.mark.parametrize("command", STATE)
def test_a_rate_of_meta_training_that_was_edited_after_the_run(project, command):
    edit(project, "inner_lr", 0.75)
    refused(
        lambda: ask(command, project),
        "in_place",
        "made with inner_lr 0.1, but ",
        "params.yaml has 0.75; run `python -m stages.meta_train in_place ",
        "or put the value back",
    )


@pytest.mark.parametrize("command", STATE)
def test_a_number_of_updates_at_test_time(project, command):
    edit(project, "finetune.epochs", [0, 1, 2])
    refused(
        lambda: ask(command, project),
        "made with finetune.epochs [0, 1], but ",
        "has [0, 1, 2]; run `python -m stages.finetune ",
    )


def test_each_variant_is_asked_for_what_it_read_alone(project):
    edit(project, "train.lr", 0.5)
    refused(table, "transfer", "train.lr 0.003, but params.yaml has 0.5", "stages.train transfer 0")
    edit(project, "train.lr", 0.003)
    edit(project, "p2bot.self_play.steps", 99)  # no variant here plays with itself
    edit(project, "adapters.bottleneck", 99)  # none has adapters
    edit(project, "tune.trials", 3)
    table()
    report()


def test_the_axes_of_a_variant(project):
    edit(project, "variants.in_place", {"init": "random"})
    refused(report, "variants.in_place.init pretrained, but params.yaml has random", "meta_train")


def test_a_variants_own_set_is_what_counts(project):
    edit(project, "variants.in_place", {"init": "pretrained", "set": {"outer_lr": 0.25}})
    refused(report, "made with ", "in_place", "outer_lr")


@pytest.mark.parametrize(("key", "stage"), [("score", "score "), ("compare", "compare")])
def test_intervals_and_tests_of_another_seed(project, key, stage):
    edit(project, f"{key}.seed", 5)
    refused(report, f"made with {key}.seed 0, but params.yaml has 5; run ", f"stages.{stage}")


def test_in_a_clone_the_committed_metrics_say_it(project):
    """Without models and predictions the details alone are there."""
    for folder in (artifacts.MODELS, artifacts.PREDICTIONS, artifacts.TASKS):
        folder.rename(f"away-{folder.name}")
    table()
    edit(project, "inner_lr", 0.75)
    refused(table, "metrics/details/in_place.json: made with inner_lr 0.1, but params.yaml has")
    (project / pages.TEMPLATE).parent.mkdir()
    (project / pages.TEMPLATE).write_text("")
    refused(lambda: pages.results(project), "in_place.json: made with inner_lr 0.1, but ")


@pytest.mark.parametrize("command", [report, table])
def test_a_file_that_lost_what_made_it_and_its_seal(project, command):
    """It would pass as one of an older version, with any number in it."""
    path = artifacts.details_file("in_place")
    content = json.loads(path.read_text())
    del content["made_from"]["made_with"], content[SEAL]
    artifacts.write_json(path, content)
    for folder in (artifacts.MODELS, artifacts.PREDICTIONS):
        folder.rename(f"away-{folder.name}")
    refused(command, f"{path}: content_sha256 is missing", "score in_place")


def test_the_stage_run_again_mends_it(project):
    edit(project, "score.seed", 5)
    for name in ("in_place", "transfer"):
        score(name)
    table()
    report()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/data/ann/chats", "chats"),
        ("/disk/other/chats/", "chats"),
        ("~/chats", "chats"),
        ("./chats", "chats"),
        ("C:\\chats", "chats"),
        ("https://ann:secret@example.org/a/chats.tgz?token=1", "https://example.org/a/chats.tgz"),
        ("synthetic", "synthetic"),
        ("org/model", "org/model"),
    ],
)
def test_a_source_that_lies_elsewhere_changes_no_out(given, kept):
    """An out depends on no path of a machine, and tells no secret of a URL."""
    text = with_values((ROOT / "presets/embedded.yaml").read_text(), [f"base.source={given}"])
    values = recorded(settings_of(text, "params.yaml").view(BaseParams))
    assert values["base"]["source"] == kept
