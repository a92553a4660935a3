"""Code is edited while a stage works: DVC would record the new code beside the old out."""

import os
import shutil
import subprocess
import sys

import pytest

from pipeline import artifacts
from tests.faults.toy import params_of_a_toy
from tests.support.toy_project import write_params
from tests.wiring.closure import ROOT


# Edits itself while the stage imports it: the stage runs what stands there no longer.
EDITS = """
from pathlib import Path as _Path
with _Path(__file__).open("a", encoding="utf-8") as _file:
    _file.write("# edited\\n")
"""
EDITED = "pipeline/persona/corpus/split.py"
STARTS = {
    "alone": [sys.executable, "-m", "stages.download"],
    **{
        name: [
            *(sys.executable, "-c"),
            f"""
import sys
from pathlib import Path
from stages.shell import stage_process as started
started.PRELOADED = ()
command = started.Command("python -m stages.download", ".", {{}})
code = started.Processes(served={served}).start(command, Path("said")).wait()
sys.stderr.write(Path("said").read_text())
sys.exit(code)
""",
        ]
        for name, served in (("repro", False), ("repro, served", True))
    },
}


@pytest.mark.parametrize("how", STARTS)
def test_what_code_made_that_is_gone_is_not_published(tmp_path, how):
    if how.endswith("served") and sys.platform != "linux":
        pytest.skip("the server is used on Linux alone")
    project, folder = tmp_path / "project", tmp_path / "folder"
    for name in ("pipeline", "stages"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    folder.mkdir()
    write_params(folder, params_of_a_toy())
    file = project / EDITED
    text = file.read_text(encoding="utf-8")
    file.write_text(text + EDITS, encoding="utf-8")
    environ = os.environ | {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}

    def started():
        return subprocess.run(
            STARTS[how], cwd=folder, env=environ, text=True, capture_output=True, check=False
        )

    done = started()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(f"error: {EDITED}: edited since this command began")
    assert not (folder / artifacts.RAW).exists()
    file.write_text(text, encoding="utf-8")
    done = started()
    assert (done.returncode, (folder / artifacts.RAW_SOURCE).is_file()) == (0, True), done.stderr
