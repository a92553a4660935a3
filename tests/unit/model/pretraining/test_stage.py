"""The stage `base`: it writes the out and says what it made."""

import shutil

from pipeline import artifacts
from pipeline.model.base.load import load_base
from stages import base as stage
from tests.support.bases import base_params


def test_the_stage_writes_the_out(text, tmp_path, monkeypatch, capsys):
    class Settings:
        @classmethod
        def load(cls):
            return cls()

        def view(self, schema):
            return schema(base=base_params(steps=2))

    monkeypatch.setattr(stage, "Settings", Settings)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "data").mkdir()
    shutil.copy(text, tmp_path / artifacts.PRETRAIN_TEXT)
    stage.base()
    load_base(artifacts.BASE)
    shown = capsys.readouterr().out
    assert "φ from pretrain" in shown
    assert "held out: perplexity" in shown
