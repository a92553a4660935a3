"""Peak memory of the data stages hardly grows with the corpus; docs/reliability.md has 100 times.

Each stage runs in a process of its own, which says its peak. Few people and some more are compared:
what an interpreter and libraries take is the same for both.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from pipeline import artifacts
from tests.support.toy_project import toy_params, write_params
from tests.wiring.closure import ROOT


FEW, MANY = 2_000, 12_000  # dialogues of train; valid and test have a tenth each
PER_DIALOGUE = {"tasks": 700, "floors": 900}  # bytes; with the texts in memory 1,300 and 2,900
CANDIDATES = "|".join(f"c{i}" for i in range(19))

PEAK = """
import re, sys
from stages.shell import console
from stages.{0} import {0}
{0}()
print("peak", re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")


def peak(folder: Path, stage: str) -> int:
    """Run a stage; return the bytes of its peak."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK.format(stage)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return 1024 * int(re.search(r"^peak (\d+)$", done.stdout, re.MULTILINE)[1])


def write_corpus(folder: Path, dialogues: int) -> Path:
    """Dialogues of one exchange: four sentences of a person of four dialogues, a reply, candidates.

    Every reply is another one. Words and persona sentences return, as people's do.
    """
    folder.mkdir()
    write_params(folder, toy_params())
    (folder / artifacts.RAW).mkdir(parents=True)
    for split in artifacts.SPLITS:
        with (folder / artifacts.raw_text(split)).open("w") as file:
            for number in range(dialogues if split == "train" else dialogues // 10):
                for line, topic in enumerate("abcd", start=1):
                    person = number // 4
                    file.write(f"{line} your persona: i like {topic} {person % (97 + line)}.\n")
                reply = " ".join(f"w{number // 10**place % 10}{place}" for place in range(6))
                file.write(f"5 hi\t{reply}\t\t{CANDIDATES}|{reply}\n")
    source = {"corpus": {"kind": "folder", "sha256": None}}
    artifacts.write_json(folder / artifacts.RAW_SOURCE, source)
    (folder / artifacts.BASE).mkdir(parents=True)
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / artifacts.BASE / "tokenizer.json"))
    return folder


def test_a_dialogue_more_costs_tasks_and_floors_little(tmp_path):
    few, many = (write_corpus(tmp_path / f"{size}", size) for size in (FEW, MANY))
    more = (MANY - FEW) * 12 // 10
    for stage, most in PER_DIALOGUE.items():
        grown = (peak(many, stage) - peak(few, stage)) / more
        assert grown < most, stage


def test_people_more_cost_download_little(tmp_path):
    """60 people and 360: with the corpus in memory the peaks are 60 MB apart."""
    peaks = []
    for size in (1, 6):
        folder = tmp_path / f"{size}"
        folder.mkdir()
        params = toy_params()
        people = params["data"]["synthetic"]["people"]
        params["data"]["synthetic"]["people"] = {split: size * n for split, n in people.items()}
        write_params(folder, params)
        peaks.append(peak(folder, "download"))
    assert peaks[1] - peaks[0] < 15e6
