"""How a study is run again: its parameters name its rows. No torch."""

from pipeline.evaluation.kept.study import Study


def again(study: Study, command: str = "dvc repro") -> str:
    """Return the commands, and what is to be filled in before.

    Args:
        study: the study.
        command: what runs it once its parameters are in force.
    """
    copy = f"cp studies/{study.name}/params.yaml params.yaml"
    lines = ["```sh", copy, command, "```"]
    data = study.params["data"]
    if "PATH" in (data["source"], data["pretrain"]):
        lines += ["", "Before the second command give your data for `PATH` in `params.yaml`."]
    return "\n".join(lines)
