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
from pipeline.params import Settings
from tests.wiring.closure import ROOT, UNTRACKED, code_of, is_inside


TRANSMITTERS = ["p2bot_transmitter", "p2bot_no_nup_transmitter"]
TRAINED = ["reinit", "transfer", "adapters", "transfertransfo", *TRANSMITTERS]
META = ["reinit_maml", "in_place", "extra_place_unfixed", "extra_place"]
SELF_PLAYED = ["p2bot", "p2bot_no_nup"]
SCORED_VARIANTS = [*TRAINED[:3], *META, "transfertransfo", *SELF_PLAYED]  # as in Table 1

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
    "report": params.ReportParams,
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
    match = re.fullmatch(r"python -m (stages\.\w+)( \w+)*", stage.cmd)
    assert match, stage.cmd
    return match.group(1)


def declared_params(stage: Any) -> set[str]:
    return {key for dep in stage.deps if isinstance(dep, ParamsDependency) for key in dep.params}


def paths(things: Any) -> set[str]:
    return {thing.def_path for thing in things if not isinstance(thing, ParamsDependency)}


def code(stage: Any) -> set[str]:
    return {path for path in paths(stage.deps) if path.split("/")[0] in ("pipeline", "stages")}


def test_the_stages_are_these(stages):
    expected = {"download", "tasks", "base", "floors", "compare", "report", "p2_receiver@0"}
    expected |= {f"train@{v}-0" for v in TRAINED} | {f"meta_train@{v}-0" for v in META}
    expected |= {f"p2_selfplay@{v}-0" for v in SELF_PLAYED}
    expected |= {f"{stage}@{v}" for stage in ("finetune", "score") for v in SCORED_VARIANTS}
    assert set(stages) == expected


def test_every_variant_has_its_method_and_is_scored():
    """The lists in dvc.yaml's vars and the mapping in params.yaml are one set of names."""
    lists = params.read_yaml(ROOT / "dvc.yaml")["vars"][0]
    assert lists == {
        "trained": TRAINED,
        "meta_trained": META,
        "self_played": SELF_PLAYED,
        "scored": SCORED_VARIANTS,
    }
    for preset in ["params.yaml", *map(str, (ROOT / "presets").glob("*.yaml"))]:
        variants = params.read_yaml(ROOT / preset)["variants"]
        assert sorted(variants) == sorted(TRAINED + META + SELF_PLAYED), preset
        assert [name for name in variants if name not in TRANSMITTERS] == SCORED_VARIANTS, preset


def test_a_self_played_variant_has_the_axes_of_its_transmitter():
    for preset in ["params.yaml", *map(str, (ROOT / "presets").glob("*.yaml"))]:
        variants = params.read_yaml(ROOT / preset)["variants"]
        for name in SELF_PLAYED:
            transmitter = artifacts.transmitter_dir(name, 0).parent.name
            assert transmitter in TRAINED
            assert variants[name] == variants[transmitter], (preset, name)


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


def test_declared_params_are_the_fields_of_the_stages_view(stages):
    for name, stage in stages.items():
        view = VIEWS[kind(name)]
        expected = set(view.model_fields) if view else set()
        if kind(name) in ("train", "meta_train", "p2_selfplay"):
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
            "finetune": lambda i=item: {artifacts.predictions_file(i)},
            "score": lambda i=item: {
                artifacts.metrics_file(i),
                artifacts.kshot_file(i),
                artifacts.details_file(i),
            },
        }.get(kind(name), lambda n=name: fixed[n])()
        assert {Path(path) for path in paths(stage.outs)} == expected, name


def test_only_metrics_are_kept_in_git(stages):
    for name, stage in stages.items():
        for out in stage.outs:
            assert out.use_cache == (not out.def_path.startswith("metrics/")), name
            assert not out.persist


# --- What reruns when a parameter changes ------------------------------------------------------


def reads(stage: Any, key: str) -> bool:
    return any(
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
    names = [v for v in variants if v in SCORED_VARIANTS]
    return group("finetune", names) | group("score", names) | {"compare", "report"}


def training(variant: str) -> set[str]:
    """The stage that makes a variant, and self-play where it starts from that."""
    stages = {
        f"{method}@{variant}-0"
        for method, names in (
            ("train", TRAINED),
            ("meta_train", META),
            ("p2_selfplay", SELF_PLAYED),
        )
        if variant in names
    }
    if variant in TRANSMITTERS:
        played = variant.removesuffix("_transmitter")
        return stages | {f"p2_selfplay@{played}-0"} | behind(played)
    return stages | behind(variant)


FINETUNED = behind(*SCORED_VARIANTS)
BEHIND_META = set().union(*map(training, META))
BEHIND_TRAIN = set().union(*map(training, TRAINED))
BEHIND_SELF_PLAY = set().union(*map(training, SELF_PLAYED))
TRAININGS = BEHIND_META | BEHIND_TRAIN | BEHIND_SELF_PLAY
MODELS = TRAININGS | {"p2_receiver@0"}

# Every leaf of params.yaml falls under exactly one of these.
RERUNS = {
    "seeds": FINETUNED,  # and the training runs of a seed that is new: they are other stages
    "inner_lr": BEHIND_META,
    "inner_steps": BEHIND_META,
    "inner_dialogues": BEHIND_META,
    "inner_batch_size": BEHIND_META,
    "outer_lr": BEHIND_META,
    "outer_batch_size": BEHIND_META,
    "outer_steps": BEHIND_META,
    "meta_gradient": BEHIND_META,
    "data": {"download", "tasks", "base", "floors"} | MODELS,
    "tasks": {"tasks", "floors"} | MODELS,
    "base": {"base", "floors"} | MODELS,
    "adapters": TRAININGS,
    "train": BEHIND_TRAIN,
    "meta_train": BEHIND_META,
    "receiver": {"p2_receiver@0"} | BEHIND_SELF_PLAY,
    "self_play": BEHIND_SELF_PLAY,
    "finetune": FINETUNED,
    "generate": FINETUNED,
    "score": group("score", SCORED_VARIANTS) | {"report"},
    "compare": {"compare", "report"},
    "tune": set(),  # a command's, no stage's
} | {f"variants.{v}": training(v) for v in TRAINED + META + SELF_PLAYED}


def leaves(node: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.mark.parametrize("leaf", list(leaves(params.read_yaml(ROOT / "params.yaml"))))
def test_a_parameter_reruns_exactly_what_depends_on_it(repo, leaf):
    expected = [v for key, v in RERUNS.items() if leaf == key or leaf.startswith(f"{key}.")]
    assert len(expected) == 1, leaf
    assert reruns(repo, leaf) == expected[0]


def test_params_yaml_is_the_embedded_preset():
    assert (ROOT / "params.yaml").read_bytes() == (ROOT / "presets/embedded.yaml").read_bytes()


@pytest.mark.parametrize("path", sorted((ROOT / "presets").glob("*.yaml")), ids=lambda p: p.stem)
def test_presets_are_valid_and_have_the_same_keys(path):
    Settings.load(path).check()
    preset, embedded = (
        set(leaves({k: v for k, v in params.read_yaml(p).items() if k != "variants"}))
        for p in (path, ROOT / "params.yaml")
    )
    assert preset == embedded


def test_every_scored_variant_is_in_fig_3():
    plots = params.read_yaml(ROOT / "dvc.yaml")["plots"]
    assert len(plots) == 3
    for plot in plots:
        (content,) = plot.values()
        assert list(content["y"]) == [str(artifacts.kshot_file(v)) for v in SCORED_VARIANTS]
