"""How a study is run again, read off its parameters and its training runs. No torch."""

from pipeline.evaluation.kept.study import Study
from pipeline.evaluation.report.rows import in_order


LISTS = {"trained": "train", "meta_trained": "meta_train", "self_played": "p2_selfplay"}


def again(study: Study, command: str = "dvc repro") -> str:
    """Return the commands, and what is to be filled in before.

    Args:
        study: the study.
        command: what runs it once its parameters are in force.
    """
    copy = f"cp studies/{study.name}/params.yaml params.yaml"
    lines = ["```sh", copy, command, "```"]
    said = []
    data = study.params["data"]
    if "PATH" in (data["source"], data["pretrain"]):
        said.append("Before the second command give your data for `PATH` in `params.yaml`.")
    said.append("The lists at the top of `dvc.yaml` have to name the rows:")
    return "\n".join([*lines, "", " ".join([*said, _lists(study)])])


def _lists(study: Study) -> str:
    """Name the rows of each list; without the runs' records, all rows."""
    scored = in_order(study.details or study.trials)
    methods = {name: runs[0].method for name, runs in study.runs.items()}
    if not methods:
        return f"{_names(scored)}."
    found = {key: in_order(n for n in methods if methods[n] == m) for key, m in LISTS.items()}
    lists = [f"`{key}` {_names(names)}" for key, names in found.items() if names]
    return f"{'; '.join(lists)}; `scored` the {len(scored)} rows of Table 1 below."


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
