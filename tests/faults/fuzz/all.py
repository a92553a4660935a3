"""All targets, by name. Modules are imported as their targets are asked for: some need torch."""

from importlib import import_module

from pipeline.errors import PipelineError
from tests.faults.fuzz.target import Target


NAMES = {
    "data_targets": ("archive", "text", "corpus", "params", "http", "environment"),
    "model_targets": ("config", "tokenizer", "tokenizer_config", "safetensors", "gguf", "template"),
    "corpus_targets": ("own",),
    "out_targets": ("outs", "checkpoint", "journal", "predictions", "tasks"),
}


def named(name: str) -> Target:
    """Return a target.

    Raises:
        PipelineError: there is none of that name.
    """
    for module, names in NAMES.items():
        if name in names:
            targets = import_module(f"tests.faults.fuzz.{module}").TARGETS
            return next(target for target in targets if target.name == name)
    every = ", ".join(one for names in NAMES.values() for one in names)
    raise PipelineError(f"no target {name!r}; there are {every}")
