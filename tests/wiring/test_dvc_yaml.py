"""dvc.yaml cannot lie: what it declares is what the code imports, reads and writes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo

from pipeline import artifacts, params
from pipeline.evaluation.report.files import KSHOT, TRAINING
from pipeline.params import Settings
from pipeline.params.sections.lists import LISTS
from tests.wiring.closure import ROOT, UNTRACKED, code_of, is_inside


PARAMS = params.read_yaml(ROOT / artifacts.PARAMS)  # in force: any preset, any variants
TRAINED, META, SELF_PLAYED = (PARAMS[key] for key in LISTS.values())
SCORED, SEEDS = PARAMS["scored"], PARAMS["seeds"]
METHODS = dict(zip(LISTS, (TRAINED, META, SELF_PLAYED), strict=True))

VIEWS = {
    "download": params.DownloadParams,
    "tasks": params.TasksParams,
    "base": params.BaseParams,
    "train": params.TrainParams,
    "meta_train": params.MetaTrainParams,
    "p2_receiver": params.ReceiverParams,
    "p2_selfplay": params.SelfPlayParams,
    "finetune": params.FinetuneParams,
    "score": params.ScoreParams,
    "floors": None,
    "compare": params.CompareParams,
    "report": None,  # depends on the file: the page says what was run
}


@pytest.fixture(scope="module")
def repo() -> Iterator[Repo]:
    with Repo(str(ROOT)) as repo:
        yield repo


@pytest.fixture(scope="module")
def stages(repo: Repo) -> dict[str, Any]:
    return {stage.addressing: stage for stage in repo.index.stages}


def kind(address: str) -> str:
    return address.split("@")[0]


def module(stage: Any) -> str:
    match = re.fullmatch(r"python -m (stages\.\w+)( [\w-]+)*", stage.cmd)
    assert match, stage.cmd
    return match.group(1)


def declared_params(stage: Any) -> set[str]:
    return {key for dep in stage.deps if isinstance(dep, ParamsDependency) for key in dep.params}


def paths(things: Any) -> set[str]:
    return {thing.def_path for thing in things if not isinstance(thing, ParamsDependency)}


def code(stage: Any) -> set[str]:
    return {path for path in paths(stage.deps) if path.split("/")[0] in ("pipeline", "stages")}


def test_the_stages_are_these(stages):
    expected = {"download", "tasks", "base", "floors", "compare", "report"} | RECEIVERS
    expected |= {f"{m}@{v}-{s}" for m, names in METHODS.items() for v in names for s in SEEDS}
    expected |= {f"{stage}@{v}" for stage in ("finetune", "score") for v in SCORED}
    assert set(stages) == expected


def test_params_yaml_is_valid():
    Settings.load(ROOT / artifacts.PARAMS).check()


def test_dvc_yaml_takes_variants_and_seeds_from_params_yaml():
    content = params.read_yaml(ROOT / "dvc.yaml")
    assert set(content) == {"stages", "plots"}
    lists = {f"${{{key}}}" for key in ("seeds", "scored", *LISTS.values())}
    matrices = [stage["matrix"] for stage in content["stages"].values() if "matrix" in stage]
    assert {values for matrix in matrices for values in matrix.values()} == lists
    plotted = {file for plot in content["plots"] for one in plot.values() for file in one["y"]}
    assert plotted == {str(artifacts.REPORT / name) for name in (KSHOT, TRAINING)}


def test_declared_code_covers_the_import_closure_and_nothing_is_idle(stages):
    wrong = {}
    for name, stage in stages.items():
        needed, declared = code_of(module(stage)), code(stage)
        missing = sorted(file for file in needed if not is_inside(file, declared))
        idle = sorted(place for place in declared if not any(is_inside(f, {place}) for f in needed))
        if missing or idle:
            wrong[name] = {"missing": missing, "idle": idle}
    assert wrong == {}


def test_no_stage_depends_on_what_cannot_change_a_number(stages):
    for name, stage in stages.items():
        declared = code(stage)
        assert not any(is_inside(place, UNTRACKED) for place in declared), name
        assert not any(is_inside(place, declared) for place in UNTRACKED), name
        assert "pipeline/learning/meta/reference.py" not in code_of(module(stage))  # .dvcignore


def test_declared_params_are_the_fields_of_the_stages_view(stages):
    for name, stage in stages.items():
        view = VIEWS[kind(name)]
        expected = set(view.read_keys()) if view else set()
        if kind(name) in METHODS:
            expected.add(f"variants.{name.split('@')[1].rsplit('-', 1)[0]}")
        assert declared_params(stage) == expected, name


def test_declared_outs_are_the_paths_in_code(stages):
    fixed = {
        "download": {artifacts.RAW, artifacts.PRETRAIN_TEXT},
        "tasks": {artifacts.TASKS},
        "base": {artifacts.BASE},
        "floors": {artifacts.FLOORS},
        "compare": {artifacts.COMPARISON},
        "report": {artifacts.REPORT},
    }
    for name, stage in stages.items():
        item = name.partition("@")[2]
        variant, _, seed = item.rpartition("-")
        expected = {
            "train": lambda v=variant, s=seed: {artifacts.model_dir(v, int(s))},
            "meta_train": lambda v=variant, s=seed: {artifacts.model_dir(v, int(s))},
            "p2_selfplay": lambda v=variant, s=seed: {artifacts.model_dir(v, int(s))},
            "p2_receiver": lambda i=item: {artifacts.receiver_dir(int(i))},
            "finetune": lambda i=item: {artifacts.predictions_file(i), artifacts.identity_file(i)},
            "score": lambda i=item: {
                artifacts.metrics_file(i),
                artifacts.kshot_file(i),
                artifacts.details_file(i),
            },
        }.get(kind(name), lambda n=name: fixed[n])()
        assert {Path(path) for path in paths(stage.outs)} == expected, name


# Folders in which a user may have put files: DVC leaves them, and their stages refuse.
PERSISTENT = ("data/raw", "data/pretrain.txt", "data/tasks", "models/base")


def test_only_metrics_are_kept_in_git(stages):
    for name, stage in stages.items():
        for out in stage.outs:
            assert out.use_cache == (not out.def_path.startswith("metrics/")), name
            assert out.persist == (out.def_path in PERSISTENT)


# --- What reruns when a parameter changes ------------------------------------------------------


def reads(stage: Any, key: str) -> bool:
    return str(artifacts.PARAMS) in paths(stage.deps) or any(
        key == name or key.startswith(f"{name}.") or name.startswith(f"{key}.")
        for name in declared_params(stage)
    )


def reruns(repo: Repo, key: str) -> set[str]:
    """The stages that read the parameter, and all that is behind them, by DVC's own graph."""
    graph = repo.index.graph  # edges lead from a stage to what it needs
    direct = {stage for stage in graph if reads(stage, key)}
    behind = set().union(*(nx.ancestors(graph, stage) for stage in direct))
    return {stage.addressing for stage in direct | behind}


def group(stage: str, variants: list[str]) -> set[str]:
    return {f"{stage}@{variant}" for variant in variants}


def behind(*variants: str) -> set[str]:
    """What is behind a model, up to the report."""
    names = [v for v in variants if v in SCORED]
    tables = {"compare", "report"} if names else {"report"}  # report also reads transmitters' cost
    return group("finetune", names) | group("score", names) | tables


def training(variant: str) -> set[str]:
    """The stages that make a variant, and self-play where it starts from that; what is behind."""
    stages = {f"{m}@{variant}-{s}" for m, v in METHODS.items() if variant in v for s in SEEDS}
    played = [p for p in SELF_PLAYED if artifacts.transmitter_dir(p, 0).parent.name == variant]
    return stages.union(behind(variant) if stages else set(), *map(training, played))


def trainings(variants: list[str]) -> set[str]:
    return set().union(*map(training, variants))


RECEIVERS = {f"p2_receiver@{seed}" for seed in SEEDS}
FINETUNED = behind(*SCORED)
TRAININGS = trainings(TRAINED + META + SELF_PLAYED)
MODELS = TRAININGS | RECEIVERS | {"report"}

# Every leaf of params.yaml falls under exactly one of these.
RERUNS = {
    "seeds": FINETUNED,  # and the training runs of a seed that is new: they are other stages
    # Lists: a name that is new has stages of its own, which `test_a_new_row_...` adds.
    "trained": {"report"},
    "meta_trained": {"report"},
    "self_played": {"report"},
    "scored": {"compare", "report"},
    "inner_lr": trainings(META),
    "inner_steps": trainings(META),
    "inner_dialogues": trainings(META),
    "inner_batch_size": trainings(META),
    "outer_lr": trainings(META),
    "outer_batch_size": trainings(META),
    "outer_steps": trainings(META),
    "meta_gradient": trainings(META),
    "data": {"download", "tasks", "base", "floors"} | MODELS,
    "tasks": {"tasks", "floors"} | MODELS,
    "base": {"base", "floors"} | MODELS,
    "adapters": TRAININGS,
    "train": trainings(TRAINED),
    "meta_train": trainings(META),
    "p2bot.receiver": RECEIVERS | {"report"} | trainings(SELF_PLAYED),
    "p2bot.self_play": trainings(SELF_PLAYED),
    "finetune": FINETUNED,
    "generate": FINETUNED,
    "score": group("score", SCORED) | {"report"},
    "compare": {"compare", "report"},
    "tune": {"report"},  # a command's; the report depends on the file
} | {f"variants.{v}": training(v) for v in PARAMS["variants"]}


def leaves(node: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.mark.parametrize("leaf", list(leaves(PARAMS)))
def test_a_parameter_reruns_exactly_what_depends_on_it(repo, leaf):
    expected = [v for key, v in RERUNS.items() if leaf == key or leaf.startswith(f"{key}.")]
    assert len(expected) == 1, leaf
    assert reruns(repo, leaf) == expected[0]
