"""personalize.py of an export, in a process of its own without this project: our losses."""

import json

import pytest

from pipeline.evaluation.personal.adapted import adapt_to, loss_of, require_person_fits
from pipeline.evaluation.personal.start import load_start
from stages.commands.export import export
from stages.talk.person import person_of
from tests.conftest import AXES, tiny_gpt2
from tests.support.exports import (
    KINDS,
    alone,
    conversations,
    rough_files,
    save_variant,
    with_phi,
    write_base,
)
from tests.support.toy_project import toy_params, write_params


# Every export under a folder on every file, in one process: start-up is most of the time.
PERSONALIZE = """
import contextlib, io, json, runpy, sys
from pathlib import Path
folder, *files = sys.argv[1:]
found = {}
for out in sorted(Path(folder).iterdir()):
    sys.path.insert(0, str(out))
    for file in files:
        sys.argv = ["personalize.py", *file.split("\t")]
        said, noted = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(noted):
            try:
                runpy.run_path(str(out / "personalize.py"), run_name="__main__")
            except SystemExit as refused:
                print(refused, file=noted)
        found[f"{out.name} {Path(sys.argv[1]).name}"] = [said.getvalue(), noted.getvalue()]
    sys.path.pop(0)
    own = ("exported_model", "bottlenecks", "conversations", "json_lines")
    for name in own:
        sys.modules.pop(name, None)
assert not any(name.split(".")[0] in ("pipeline", "stages") for name in sys.modules)
print(json.dumps(found))
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def adaptation_here(variant, path, name=None):
    """Our own losses on the held-out dialogue at every epoch, as `stages.chat` has them."""
    start = load_start(variant, 0)
    person = person_of([path], [], name).in_format(start.learner.encoder.format)
    fold = person.fold(start.params.finetune)
    require_person_fits(start.learner, fold, start.params)
    thetas = [adapt_to(start.learner, fold, start.params, n, lambda *_: None) for n in range(3)]
    return [loss_of(start.learner, theta, fold.query, start.params).nats for theta in thetas]


def windows_of(variant, path):
    """The most windows of a dialogue."""
    encoder = load_start(variant, 0).learner.encoder
    person = person_of([path], [], None).in_format(encoder.format)
    return max(len(encoder.encode(dialogue)) for dialogue in person.dialogues)


def personalized(folder, *files):
    """What personalize.py of each export says of each file: its losses, and its notes."""
    found = json.loads(alone(PERSONALIZE, folder, *files))
    return {
        key: ([float(x.split(": ")[1].split()[0]) for x in said.splitlines()], noted.strip())
        for key, (said, noted) in found.items()
    }


def learned(learner):
    """Learned rates: the special rows' own, all else another one, one tensor fixed."""
    names = sorted(learner.theta)
    return {n: 0.3 if n == "special.weight" else 0.05 for n in names if n != names[0]}


def test_personalize_gives_our_losses(tokenizer, here):
    """Marks, windows, order of updates, what moves at which rate, batches of replies, Adam."""
    write_base(tokenizer, tiny_gpt2(tokenizer, n_positions=200))
    changed = {
        "in_place": {},
        "plain": {"format": "plain"},
        "no_text": {"persona_text": False, "set": {"finetune.batch_size": 2}},
        "adam": {"set": {"finetune.optimizer": "adam", "finetune.lr": 0.02}},
        "rates": {},
    }
    params = toy_params()
    params["finetune"] |= {"epochs": [0, 1, 2], "lr": 0.1}
    write_params(here, params)
    (here / "me.jsonl").write_text(conversations(turns=5))
    expected = {}
    for name, more in changed.items():
        axes = AXES["in_place"].model_copy(update=more)
        save_variant(name, axes, rates=learned if name == "rates" else None)
    for kind in KINDS:
        save_variant(kind, with_phi(), kind)
    for name in (*changed, *KINDS):
        export(name, here / "out" / name)
        expected[name] = adaptation_here(name, here / "me.jsonl")
        assert windows_of(name, here / "me.jsonl") > 1
    told = personalized(here / "out", here / "me.jsonl")
    found = {key.split()[0]: losses for key, (losses, _) in told.items()}
    assert found.keys() == expected.keys()
    for name, losses in expected.items():
        assert found[name] == pytest.approx(losses, abs=1e-4), name
        assert abs(losses[2] - losses[0]) > 1e-2, name


def test_personalize_reads_long_dialogues_beside_a_long_response(tokenizer, here):
    """The response's room is asked of persona and a turn, not of a window full of history."""
    write_base(tokenizer, tiny_gpt2(tokenizer, n_positions=300))
    params = toy_params()
    params["finetune"] |= {"epochs": [0, 1, 2], "lr": 0.1}
    params["generate"]["max_new_tokens"] = 60
    write_params(here, params)
    (here / "long.jsonl").write_text(conversations(turns=60))
    save_variant()
    export("in_place", here / "out/in_place")
    expected = adaptation_here("in_place", here / "long.jsonl")
    told = personalized(here / "out", here / "long.jsonl")
    assert told["in_place long.jsonl"][0] == pytest.approx(expected, abs=1e-4)
    assert windows_of("in_place", here / "long.jsonl") > 10


def test_personalize_reads_files_as_the_chat_does(tokenizer, here):
    """Long turns, system messages both ways, repeats, joined and one-sided talk, broken lines."""
    write_base(tokenizer, tiny_gpt2(tokenizer, n_positions=300))
    files = [here / f"{name}.jsonl" for name in rough_files(here)]
    expected = {}
    ways = (("keep", 60, "special"), ("drop", None, "special"), ("keep", 60, "plain"))
    for system, longest, form in ways:
        params = toy_params()
        params["finetune"] |= {"epochs": [0, 1, 2], "lr": 0.1}
        params["data"] |= {"system": system, "longest": longest, "skip_broken": True}
        write_params(here, params)
        name = f"{system}-{form}"
        save_variant(name, AXES["in_place"].model_copy(update={"format": form}))
        export(name, here / "out" / name)
        for file in files:
            expected[f"{name} {file.name}"] = adaptation_here(name, file, "ann")
    told = personalized(here / "out", *(f"{file}\t--name\tann" for file in files))
    assert told.keys() == expected.keys()
    for name, losses in expected.items():
        found, noted = told[name]
        assert found == pytest.approx(losses, abs=1e-4), (name, noted)
    for file in ("system", "long"):  # what is read so or so matters there
        assert expected[f"keep-special {file}.jsonl"] != expected[f"drop-special {file}.jsonl"]
    assert "5 system messages" in told["drop-special system.jsonl"][1]
    assert "1 conversations that a person has twice" in told["keep-special repeats.jsonl"][1]


BAD = {
    "empty": (b"", "empty.jsonl: empty; a conversation a line was expected"),
    "mark": (b"\xef\xbb\xbf\n", "mark.jsonl: empty; a conversation a line was expected"),
    "silent": (
        b'{"person": "ann", "messages": [{"role": "user", "content": "hi"}]}\n',
        "silent.jsonl: no conversation with a reply of a person (left out: 1 messages at an end "
        "without a reply; 1 conversations in which the person says nothing)",
    ),
    "role": (
        b'{"person": "ann", "messages": [{"role": "\\u001b[31m", "content": "hi"}]}\n',
        r"role.jsonl:1: unknown role '\x1b[31m'; one of system, user, assistant; mend it",
    ),
    "broken": (b'\n{"person": "ann", "mess', "broken.jsonl:2: not JSON ("),
    "other": (b'{"text": "hi"}\n', 'other.jsonl:1: no "person", whose name or number'),
    "utf16": ("{}".encode("utf-16"), "utf16.jsonl:1: not UTF-8 text (invalid start byte); mend it"),
    "half": (
        b'{"person": "ann", "messages": [{"role": "assistant", "content": "\\ud83d"}]}\n',
        'half.jsonl:1: the "content" of a message is no text; mend it',
    ),
    "two": (
        b'{"person": "ann", "messages": [{"role": "assistant", "content": "hi"}]}\n'
        b'{"person": "bob", "messages": [{"role": "assistant", "content": "hi"}]}\n',
        "two.jsonl: 2 people; name one with --name: ann, bob",
    ),
    "persona": (
        json.dumps(
            {
                "person": "ann",
                "persona": ["i like tea ."] * 99,
                "messages": [{"role": "assistant", "content": "hi"}],
            }
        ).encode(),
        "personalize.py: persona 'i like tea . i like tea .",
    ),
}


def test_personalize_refuses_bad_files_in_one_line(tokenizer, here):
    write_base(tokenizer, tiny_gpt2(tokenizer, n_layer=1))
    save_variant()
    export("in_place", here / "out/v")
    for name, (content, _) in BAD.items():
        (here / f"{name}.jsonl").write_bytes(content)
    (here / "me.jsonl").write_text(conversations())
    there = here / "two.jsonl"
    files = [here / f"{name}.jsonl" for name in BAD]
    told = personalized(here / "out", *files, f"{here / 'me.jsonl'}\t{there}", here / "none")
    for name, (_, message) in BAD.items():
        losses, noted = told[f"v {name}.jsonl"]
        refusal = noted.removeprefix("left out: nothing; nothing held out, so nothing measured: ")
        refusal = refusal.removeprefix("it takes two conversations\n")
        assert message in refusal
        assert refusal.startswith("personalize.py: ")
        assert refusal.isprintable()
        assert losses == []
    assert "persona.jsonl" not in told["v persona.jsonl"][1]
    assert "two.jsonl: there already; name another file" in told["v me.jsonl"][1]
    assert there.read_bytes() == BAD["two"][0]
    assert "No such file or directory" in told["v none"][1]


def test_files_of_an_export_are_readable_by_whom_the_umask_says(tokenizer, here):
    """`safetensors` alone would let nobody else read the weights."""
    write_base(tokenizer, tiny_gpt2(tokenizer, n_layer=1))
    save_variant("lora", with_phi(), "lora")
    out = here / "out" / "lora"
    export("lora", out)
    (here / "me.jsonl").write_text(conversations(count=1))
    personalized(here / "out", f"{here / 'me.jsonl'}\t{out / 'own.safetensors'}")
    assert (out / "own.safetensors").stat().st_size > 0
    modes = {p.name: oct(p.stat().st_mode) for p in out.rglob("*") if p.is_file()}
    assert len(modes) > 8
    assert len(set(modes.values())) == 1, modes
