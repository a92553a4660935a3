"""Load this folder's model, whose adapters (Houlsby et al. 2019) `peft` does not have.

    from bottlenecks import load
    model = load()

Behind the attention and the MLP of each block: h + W_up gelu(W_down h + b_down) + b_up.
"""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM


HERE = Path(__file__).parent
TENSORS = Path("adapter", "bottlenecks.safetensors")


class Bottleneck(nn.Module):
    """One adapter: (..., width) -> (..., width)."""

    def __init__(self, bottleneck: int, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Add the bottleneck to the states."""
        inner: Tensor = self.up(nn.functional.gelu(self.down(hidden), approximate="tanh"))
        return hidden + inner


def apply(module: Any, inputs: Any, output: Any) -> Any:  # noqa: ARG001
    """Hook of an attention, which returns its weights too, or of an MLP."""
    if isinstance(output, tuple):
        return module.adapter(output[0]), *output[1:]
    return module.adapter(output)


def load(folder: Path = HERE) -> Any:
    """Return the model, a causal LM of `transformers` with its adapters in place."""
    model = AutoModelForCausalLM.from_pretrained(
        folder / "base", trust_remote_code=False, local_files_only=True
    ).eval()
    tensors = load_file(folder / TENSORS)
    modules = dict(model.named_modules())
    for name in sorted({name.partition(".adapter.")[0] for name in tensors}):
        bottleneck, width = tensors[f"{name}.adapter.down.weight"].shape
        modules[name].adapter = Bottleneck(bottleneck, width)
        modules[name].register_forward_hook(apply)
    unknown = model.load_state_dict(tensors, strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"{folder / TENSORS}: the model has no place for {unknown[0]}")
    return model
