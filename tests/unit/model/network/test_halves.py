"""The trunk in two halves is the trunk, for every architecture."""

import pytest
import torch

from pipeline.model.base.architecture import architecture_of
from pipeline.model.network.halves import Above, Below, Cut, first_of
from pipeline.model.network.language_model import LanguageModel
from tests.support.families import FAMILIES, tiny_model


VOCAB, LAYERS = 40, 4


@pytest.fixture(params=FAMILIES)
def model(request):
    options = {"num_hidden_layers": LAYERS}
    if request.param == "gemma3":
        options["layer_types"] = ["sliding_attention", "full_attention"] * 2
    architecture = architecture_of(tiny_model(request.param, VOCAB, **options))
    return LanguageModel(architecture, num_special=6, attention="eager")


@pytest.mark.parametrize("first", [1, 3])
def test_two_halves_are_the_whole(model, first):
    """Blocks of the other half are not computed: their parameters are not even given."""
    parameters = model.take_parameters()
    ids = torch.randint(VOCAB - 6, (2, 24), generator=torch.Generator().manual_seed(1))
    cut = Cut.at(model.architecture.trunk, first)
    assert (len(cut.below), len(cut.above)) == (first, LAYERS - first)

    def without(blocks):
        prefixes = tuple(f"{block}." for block in blocks)
        return {n: value for n, value in parameters.items() if not n.startswith(prefixes)}

    with torch.no_grad():
        whole = model.hidden(parameters, ids)
        below = Below(cut)
        model.hidden(without(cut.above), ids, half=below)
        halves = model.hidden(without(cut.below), ids, half=Above(cut, below.states))
        changed = model.hidden(parameters, ids, half=Above(cut, below.states.flip(-1)))
        again = model.hidden(parameters, ids)
    assert torch.equal(halves, whole)
    assert (changed - whole).abs().max() > 1e-3
    assert torch.equal(again, whole)  # nothing stays in place


def test_the_first_block_with_phi_is_found(tokenizer):
    trunk = architecture_of(tiny_model("llama", VOCAB, num_hidden_layers=3)).trunk
    names = [n for n, _ in trunk.named_parameters()]
    upper = [n for n in names if n.startswith(("layers.1.", "layers.2."))]
    assert first_of(trunk, upper) == 1
    assert first_of(trunk, [n for n in upper if ".2." in n]) == 2
    assert first_of(trunk, [*upper, "norm.weight"]) is None  # Φ outside the blocks: no cut is right
    assert first_of(trunk, []) is None
