"""Outs that links lead out of the project: DVC records none there."""

import pytest

from pipeline import recording
from pipeline.errors import PipelineError


@pytest.fixture(autouse=True)
def no_stage(monkeypatch):
    for name in ("DVC_ROOT", recording.STAGE, recording.BY_STARTER):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("folder", ["models", "metrics/details", "data"])
def test_outs_out_of_the_project_are_refused_before_any_work(folder, tmp_path, monkeypatch):
    """DVC would say so after the training."""
    project, disk = tmp_path / "project", tmp_path / "disk"
    disk.mkdir()
    (project / folder).parent.mkdir(parents=True)
    monkeypatch.chdir(project)
    (project / folder).symlink_to(disk)
    recording.begin()  # without DVC that is a place like any other
    monkeypatch.setenv(recording.STAGE, "train@x-0")
    with pytest.raises(PipelineError, match=rf"^{folder}: leads to .*/disk, out of the project"):
        recording.begin()
    (project / folder).unlink()
    (project / "inside").mkdir()
    (project / folder).symlink_to(project / "inside")
    recording.begin()
