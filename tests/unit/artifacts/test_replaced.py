"""A folder that a kill meets while it is replaced."""

import signal
import subprocess
import sys

import pytest

from pipeline.atomic import atomic_path


@pytest.mark.parametrize("after", [1, 2])
def test_a_folder_outlives_a_kill_within_its_replacement(tmp_path, after):
    """After the first rename no folder has the name: the next run puts the old one back."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "users").write_text("old")
    killed = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from pipeline.atomic import atomic_path\n"
        "rename, done = Path.rename, []\n"
        "def killing(self, to):\n"
        "    rename(self, to)\n"
        "    done.append(to)\n"
        f"    len(done) == {after} and os.kill(os.getpid(), signal.SIGKILL)\n"
        "Path.rename = killing\n"
        f"with atomic_path(Path({str(folder)!r})) as partial:\n"
        "    partial.mkdir()\n"
    )
    assert subprocess.run([sys.executable, "-c", killed]).returncode == -signal.SIGKILL
    assert folder.exists() == (after == 2)
    with pytest.raises(KeyError), atomic_path(folder):
        raise KeyError
    assert (folder / "users").exists() == (after == 1)
    assert [path.name for path in tmp_path.iterdir()] == ["study"]
