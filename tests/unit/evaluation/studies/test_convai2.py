"""Floors on ConvAI2's own candidates: by hand, by a second implementation, as a command."""

import io
import json
import re
import tarfile
from collections import Counter
from functools import cache, partial
from math import log, sqrt

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, DownloadError, ParamsError
from pipeline.evaluation.floors.rankers import (
    DocumentFrequencies,
    random_hits,
    random_hits_at_1,
    tfidf_hits,
)
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.studies import convai2 as convai2_floors
from pipeline.evaluation.studies.convai2 import ZERO_SHOT, read_split, read_tasks
from pipeline.params import People, Synthetic
from pipeline.persona.synthetic.corpus import write_corpus
from stages.studies.convai2 import convai2
from tests.support.commands import run_command
from tests.support.personachat_text import lines, with_candidates
from tests.support.ranked_tasks import a_task, a_turn
from tests.wiring.closure import ROOT


BOOTSTRAP = Bootstrap(200, 0)


def measure(train, evaluated, bootstrap):
    """What the file holds."""
    return convai2_floors.measure(train, evaluated, bootstrap, sha256="0" * 64).content()


def test_candidates_must_be_the_files_own(tmp_path):
    path = tmp_path / "valid_self_original.txt"
    path.write_text(lines("i fish .", ("hi", "yes")))
    assert len(read_split(path, "train", seed=0)) == 1
    with pytest.raises(DataError, match=r"valid_self_original.txt:1: a reply without candidates"):
        read_split(path, "valid", seed=0)
    path.write_text(lines("i fish .", with_candidates("hi", "yes")))
    (task,) = read_split(path, "valid", seed=0)
    assert sorted(task.dialogues[0].turns[0].candidates) == sorted(
        ["yes", *(f"no {i}" for i in range(19))]
    )


def test_scores_are_pooled_over_replies_and_resampled_by_persona():
    """3 of 4 hits; one persona has 3 of 3, the other 0 of 1."""
    words = a_task([a_turn(word) for word in ("dog", "fish", "sea")], split="train", persona=[])
    hit, miss = a_turn("a dog", "the sea", partner="dog"), a_turn("fish", "sea", partner="dog")
    found = measure([words], [a_task([hit] * 3), a_task([miss], number=1)], BOOTSTRAP)
    assert found["tfidf_partner"]["hits_at_1"] == {"value": 75.0, "low": 0.0, "high": 100.0}
    assert found["counts"] == {"personas": 2, "dialogues": 2, "replies": 4, "train_replies": 3}


def test_words_that_train_does_not_know_help_nobody():
    """A ranker fitted on what it is scored on would know the zebra."""
    words = a_task([a_turn("dog")], split="train", persona=[])
    task = a_task([a_turn("zebra", "sea", partner="zebra")])
    assert measure([words], [task], BOOTSTRAP)["tfidf_partner"]["hits_at_1"]["value"] == 0


def test_a_constant_replys_f1_is_pooled_over_replies():
    train = a_task([a_turn("dogs")], split="train")
    tasks = [a_task([a_turn("dogs", "x"), a_turn("dogs bark", "x"), a_turn("no", "x")])]
    found = measure([train], tasks, BOOTSTRAP)["constant_reply"]
    assert found["reply"] == "dogs"
    assert found["f1"] == {"value": pytest.approx(100 * (1 + 2 / 3) / 3), "low": None, "high": None}


def test_a_random_ranker_hits_by_chance_and_the_same_way_each_time():
    tasks = [a_task([a_turn(f"x{n}", *(f"y{i}" for i in range(4))) for n in range(4000)])]
    hits = random_hits(tasks, 0)
    assert hits == random_hits(tasks, 0) != random_hits(tasks, 1)
    assert 100 * sum(hits) / 4000 == pytest.approx(random_hits_at_1(tasks), abs=2)  # 3 s.e.
    same = [a_task([a_turn("x", "y", "y", "y")] * 1000)]  # equal strings share one score
    assert sum(random_hits(same, 0)) / 1000 == pytest.approx(0.5, abs=0.05)


def test_the_command_reads_a_folder_and_an_archive_alike(tmp_path):
    folder = tmp_path / "personachat"
    folder.mkdir()
    people = [
        lines(f"i like {w} .", with_candidates(f"{w} ?", f"yes {w}")) for w in ("fish", "dogs")
    ]
    for split in ("train", "valid", "test"):
        (folder / f"{split}_self_original.txt").write_text("".join(people))
    with tarfile.open(tmp_path / "some.tgz", "w:gz") as tar:
        tar.add(folder, "personachat")
    found = []
    for path in (folder, tmp_path / "some.tgz"):
        out = tmp_path / f"{path.name}.json"
        done = command("--out", str(out), str(path))
        assert done.returncode == 0, done.stderr
        assert "TF-IDF ranker: persona and partner" in done.stdout
        assert "quoted: TransferTransfo" in done.stdout
        found.append(artifacts.read_json(out, made_by="convai2") | {"sha256": ""})
    assert found[0] == found[1]
    assert found[0]["counts"]["personas"] == 4
    assert found[0]["tfidf"]["hits_at_1"]["value"] == 100.0


def test_each_person_is_counted_once_and_train_is_no_validation_split(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "valid", "test"):
        text = lines(f"i like {split} .", with_candidates("hi", "yes"))
        artifacts.write_text(tmp_path / f"corpus/{split}_self_original.txt", text)

    def personas(*given):
        convai2(tmp_path / "corpus", [*given], out=tmp_path / "x.json")
        return artifacts.read_json(tmp_path / "x.json", made_by="convai2")["counts"]["personas"]

    assert [personas("valid", "valid"), personas("test", "valid", "test"), personas()] == [1, 2, 2]
    for split in ("train", "foo"):
        with pytest.raises(ParamsError, match=f"--valid {split}: valid or test was expected: per"):
            personas("valid", split)


def test_a_folder_without_the_files_says_which_were_expected(tmp_path):
    (tmp_path / "train_self_original.txt").touch()
    with pytest.raises(DataError, match=r"no valid_self_original.txt and no test_self_ori") as e:
        read_tasks(tmp_path, ["valid", "train", "test"], seed=0)
    assert "download" not in str(e.value)


def test_an_archive_needs_the_splits_alone_that_are_read(tmp_path):
    """ConvAI2's own has no test file."""
    corpus = write_corpus(
        Synthetic(seed=0, people=People(train=2, valid=2, test=2), dialogues=2, pretrain_lines=1)
    )
    with tarfile.open(tmp_path / "convai2.tgz", "w:gz") as tar:
        for split in ("train", "valid"):
            content = corpus.texts[split].encode()
            info = tarfile.TarInfo(f"convai2/{artifacts.raw_text(split).name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    for split in ("train", "valid"):
        assert len(read_tasks(tmp_path / "convai2.tgz", [split], seed=0)) == 2
    with pytest.raises(DownloadError, match=r"no test_self_original\.txt inside"):
        read_tasks(tmp_path / "convai2.tgz", ["valid", "test"], seed=0)


def test_only_what_was_scored_on_the_same_personas_is_listed(tmp_path, monkeypatch, capsys):
    """Beside floors of these files, no row of other files or of a part of them."""
    monkeypatch.chdir(tmp_path)
    text = lines("i fish .", with_candidates("hi", "yes"))
    for split in ("train", "valid", "test"):
        artifacts.write_text(tmp_path / f"data/{split}_self_original.txt", text)
    scored = {"sha256": artifacts.sha256_of(tmp_path / "data"), "splits": ["test", "valid"]}
    scored |= {"seed": 0, "counts": {"personas": 1, "replies": 1}}
    scored |= {"metrics": {"ppl": {"value": 12.5, "low": None, "high": None}}}
    artifacts.write_json(ZERO_SHOT / "same.json", scored)
    artifacts.write_json(ZERO_SHOT / "part.json", scored | {"splits": ["valid"]})
    artifacts.write_json(ZERO_SHOT / "other.json", scored | {"sha256": "0" * 64})
    artifacts.write_json(ZERO_SHOT / "older.json", {k: scored[k] for k in scored if k != "splits"})
    by_model = {"variant": "v", "params": {}, "base": "0" * 64, "models": {}, "tasks": None}
    artifacts.write_json(ZERO_SHOT / "trained_again.json", scored | {"made_from": by_model})
    artifacts.write_text(artifacts.BASE / "config.json", "of another base")
    convai2(tmp_path / "data", out=tmp_path / "out.json")
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("zero-shot") == said.count("same, zero-shot") == 1
    assert "than is there: older, other, part, trained_again in studies/convai2/zero_shot" in said


def test_an_unknown_split_names_no_other_commands_option(tmp_path):
    with pytest.raises(DataError, match=r"^split foo: one of train, valid, test was expected"):
        read_tasks(tmp_path, ["foo"], seed=0)


def test_what_is_not_there_is_one_line(tmp_path):
    done = command(str(tmp_path / "none.tgz"))
    assert done.returncode == 1
    assert "no such archive or folder" in done.stderr
    assert "Traceback" not in done.stderr


command = partial(run_command, "convai2")


# --- The real half, against a second implementation written from the format alone -----------------


def tokens(text):
    text = re.sub(r"[^\w\s]|_", " ", text.lower())
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def vector(text, frequency, total):
    counts = Counter(word for word in tokens(text) if word in frequency)
    weights = {
        word: (1 + log(n)) * (log((1 + total) / (1 + frequency[word])) + 1)
        for word, n in counts.items()
    }
    length = sqrt(sum(w * w for w in weights.values())) or 1.0
    return {word: w / length for word, w in weights.items()}


@pytest.mark.real_data
def test_tfidf_and_constant_reply_on_the_official_candidates_by_a_second_implementation(
    real_data, tmp_path
):
    with tarfile.open(real_data / "personachat/personachat_partial.tgz") as tar:
        tar.extractall(tmp_path, filter="data")
    train, valid = (
        tmp_path / f"personachat/{split}_self_original.txt" for split in ("train", "valid")
    )
    ours = tfidf_hits(
        DocumentFrequencies.of(read_split(train, "train", seed=0)),
        read_split(valid, "valid", seed=0),
    )
    documents = [
        text.removeprefix("your persona:")
        for line in train.read_text().splitlines()
        for text in line.split(" ", 1)[1].split("\t")[:2]
    ]
    frequency = Counter(word for text in documents for word in set(tokens(text)))
    vector_of = cache(partial(vector, frequency=frequency, total=len(documents)))
    hits = []
    for line in valid.read_text().splitlines():
        parts = line.split(" ", 1)[1].split("\t")
        if len(parts) < 4:
            continue
        query = vector_of(parts[0])
        score = {
            text: sum(w * query.get(word, 0.0) for word, w in vector_of(text).items())
            for text in parts[3].split("|")
        }
        best = max(score.values())
        hits.append(
            all(tokens(t) == tokens(parts[1]) for t, s in score.items() if s > best - 1e-12)
        )
    assert len(hits) == len(ours["tfidf_partner"]) == 3920
    assert 100 * sum(hits) / 3920 == pytest.approx(
        100 * sum(ours["tfidf_partner"]) / 3920, abs=0.08
    )


def test_the_committed_figures_hold_chance_within_the_random_rankers_interval():
    found = json.loads((ROOT / "studies/convai2/floors.json").read_text())
    random = found["random"]["hits_at_1"]
    assert random["low"] < 5.0 < random["high"]
    assert found["random"]["expected"] == pytest.approx(5.0, abs=0.01)
    assert found["counts"]["replies"] == 7801
