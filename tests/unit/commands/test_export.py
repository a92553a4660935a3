"""An export in a process of its own, without this project: our logits and losses."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.errors import BusyError, ModelError, PipelineError
from pipeline.evaluation.personal.start import load_start
from pipeline.model.base.tokenizer import load_tokenizer
from stages.commands import export as command
from stages.commands.export import export
from stages.talk.person import person_of
from tests.conftest import AXES, tiny_gpt2
from tests.support.exports import (
    KINDS,
    alone,
    conversations,
    save_variant,
    with_phi,
    write_base,
)
from tests.support.families import tiny_model


LOGITS = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
folder, target = map(Path, sys.argv[1:])
found = {}
for out in sorted(folder.iterdir()):
    ids = torch.tensor([[5, 200, 44, 7, 9, *range(300, 306)]])
    models = {}
    if (out / "bottlenecks.py").exists():
        sys.path.insert(0, str(out))
        import bottlenecks
        models["own"] = bottlenecks.load(out)
        assert not (out / "config.json").exists()
    else:
        models["own"] = AutoModelForCausalLM.from_pretrained(out).eval()
    if (out / "adapter" / "adapter_config.json").exists():
        from peft import PeftModel
        base = AutoModelForCausalLM.from_pretrained(out / "base").eval()
        models["peft"] = PeftModel.from_pretrained(base, out / "adapter").eval()
    for how, model in models.items():
        with torch.no_grad():
            found[f"{out.name} {how}"] = model(ids, use_cache=False).logits.clone()
assert not any(name.split(".")[0] in ("pipeline", "stages") for name in sys.modules)
save_file(found, target)
"""
UNFIXED = {"unfixed": with_phi(freeze_base=False)}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ours(learner, theta, entries):
    ids = torch.tensor([[5, 200, 44, 7, 9, *range(entries - 6, entries)]])
    parameters = learner.parameters(theta)
    with torch.no_grad():
        return learner.model.logits(parameters, learner.model.hidden(parameters, ids))


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_transformers_alone_gives_our_logits(family, tokenizer, here):
    """All parameters, and Φ of each kind: merged, and as PEFT hooks it on."""
    entries = len(tokenizer)
    assert entries == 306
    gpt2 = family == "gpt2"
    write_base(tokenizer, tiny_gpt2(tokenizer) if gpt2 else tiny_model(family, entries))
    axes = {"in_place": AXES["in_place"], **{kind: with_phi() for kind in KINDS}, **UNFIXED}
    expected = {}
    for name, own in axes.items():
        kind = name if name in KINDS else "lora"
        learner, theta = save_variant(name, own, kind)
        expected[name] = ours(learner, theta, entries)
        export(name, here / "out" / name)
    alone(LOGITS, here / "out", here / "logits.safetensors")
    found = load_file(here / "logits.safetensors")
    assert len(found) == 5 + 3  # LoRA, (IA)³ and the unfixed variant also by PEFT
    for name, logits in found.items():
        torch.testing.assert_close(
            logits, expected[name.split()[0]], rtol=0, atol=1e-5, msg=lambda m, n=name: n + m
        )
    effects = [(expected[kind] - expected["in_place"]).abs().max() for kind in KINDS]
    assert min(effects) > 1e-2


def test_an_export_for_a_person_is_adapted_to_all_they_said(tokenizer, here):
    write_base(tokenizer, tiny_gpt2(tokenizer))
    save_variant("lora", with_phi(), "lora")
    (here / "me.jsonl").write_text(conversations())
    export("lora", here / "start" / "out")
    export("lora", here / "own" / "out", person=here / "me.jsonl")
    start = load_start("lora", 0)
    fold = person_of([], [here / "me.jsonl"], None).fold(start.params.finetune)
    assert fold.k == 4
    alone(LOGITS, here / "own", here / "own.safetensors")
    alone(LOGITS, here / "start", here / "start.safetensors")
    found, before = (load_file(here / f"{name}.safetensors") for name in ("own", "start"))
    assert (found["out own"] - before["out own"]).abs().max() > 1e-3
    torch.testing.assert_close(found["out own"], found["out peft"], rtol=1e-4, atol=1e-4)
    assert not (here / "own/out/personalize.py").exists()
    assert "adapted to one person's conversations" in (here / "own/out/README.md").read_text()


def test_the_template_gives_what_was_trained_on(tokenizer, here):
    """Ids and mask of whole dialogues; no persona where the variant reads none."""
    from transformers import AutoTokenizer

    write_base(tokenizer, tiny_gpt2(tokenizer))
    for form in ("special", "plain"):
        for text in (True, False):
            axes = AXES["in_place"].model_copy(update={"format": form, "persona_text": text})
            learner, _ = save_variant("v", axes)
            export("v", here / f"{form}{text}")
            exported = AutoTokenizer.from_pretrained(here / f"{form}{text}")
            from tests.conftest import a_dialogue

            dialogue = a_dialogue()
            (window,) = learner.encoder.encode(dialogue)
            talk = [{"role": "system", "content": " ".join(dialogue.persona)}]
            for turn in dialogue.turns:
                talk.append({"role": "user", "content": turn.partner})
                talk.append({"role": "assistant", "content": turn.reply})
            made = exported.apply_chat_template(
                talk, return_dict=True, return_assistant_tokens_mask=True
            )
            assert tuple(made["input_ids"]) == window.ids
            places = [p for span in window.spans for p in range(span.start, span.end)]
            assert [i for i, on in enumerate(made["assistant_masks"]) if on] == places
            asked = exported.apply_chat_template(
                talk[:-1], add_generation_prompt=True, return_dict=True
            )
            assert tuple(asked["input_ids"]) == window.ids[: window.spans[-1].start]


def test_a_folder_that_is_not_empty_is_left_alone(tokenizer, here):
    write_base(tokenizer, tiny_gpt2(tokenizer))
    save_variant()
    (here / "out").mkdir()
    export("in_place", here / "out")
    kept = (here / "out/config.json").read_bytes()
    with pytest.raises(ModelError, match="out: there already, and not empty; name another"):
        export("in_place", here / "out")
    assert (here / "out/config.json").read_bytes() == kept
    with pytest.raises(
        ModelError, match=r"no trained variant 'else' of seed 0; there are in_place"
    ):
        export("else", here / "new")


def test_what_comes_into_the_folder_meanwhile_is_left_alone(tokenizer, here, monkeypatch):
    """A file of the user's, and another export: that one would have been replaced."""
    write_base(tokenizer, tiny_gpt2(tokenizer))
    save_variant()
    written, started = command.write_export, command.load_start

    def beside(variant, seed):
        monkeypatch.setattr(command, "load_start", started)
        with pytest.raises(PipelineError) as refused:
            export(variant, here / "out", seed=seed)
        assert refused.type is BusyError
        return started(variant, seed)

    def meanwhile(made, folder):
        (here / "out").mkdir()
        (here / "out/mine.txt").write_text("precious")
        written(made, folder)

    monkeypatch.setattr(command, "load_start", beside)
    monkeypatch.setattr(command, "write_export", meanwhile)
    with pytest.raises(ModelError, match="out: there already, and not empty; name another"):
        export("in_place", here / "out")
    assert [(path.name, path.read_text()) for path in (here / "out").iterdir()] == [
        ("mine.txt", "precious")
    ]


@pytest.mark.parametrize("inside", [False, True], ids=["folder", "project"])
def test_a_folder_whose_name_is_no_utf_8_is_written_as_any_other(
    tokenizer, here, monkeypatch, capsys, inside
):
    odd = here / os.fsdecode(b"e\xff")
    if inside:
        odd.mkdir()
        monkeypatch.chdir(odd)
    write_base(tokenizer, tiny_gpt2(tokenizer))
    save_variant()
    export("in_place", here / "plain")
    export("in_place", Path("out") if inside else odd)
    assert capsys.readouterr().out.count("README.md says how to use it") == 2
    made = odd / "out" if inside else odd
    expected = {path.name: path.read_bytes() for path in (here / "plain").iterdir()}
    assert {path.name: path.read_bytes() for path in made.iterdir()} == expected
    tokenizer.save_pretrained(here / "own")
    assert {path.name for path in (here / "own").iterdir()} <= expected.keys()


def test_nothing_asks_for_remote_code(tokenizer, here):
    write_base(tokenizer, tiny_gpt2(tokenizer))
    save_variant("bottleneck", with_phi(), "bottleneck")
    export("bottleneck", here / "out")
    for path in (here / "out").rglob("*.json"):
        assert "auto_map" not in path.read_text()
    assert not [p for p in (here / "out").rglob("*") if p.suffix in (".bin", ".pt", ".pkl")]
    assert json.loads((here / "out/personalize.json").read_text())["adapters"] == "bottleneck"
    vocabulary = load_tokenizer(here / "out").get_vocab()
    assert vocabulary == tokenizer.get_vocab()
