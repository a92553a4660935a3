"""Which files of this project a stage's script brings in: `pipeline/processes/code.py`."""

from pipeline.processes import code
from pipeline.processes.code import PROJECT as ROOT
from pipeline.processes.code import UNTRACKED, is_inside
from pipeline.processes.code import scripts_of as scripts


__all__ = ["ROOT", "UNTRACKED", "code_of", "is_inside", "scripts"]


def code_of(module: str) -> set[str]:
    """The code that can change a stage's numbers: its import closure minus UNTRACKED."""
    return code.code_of(code.script_of(module))
