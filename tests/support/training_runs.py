"""Contents of variant.json, with counts that tests can tell apart."""

from pipeline.evaluation.schemas.base import parse
from pipeline.model.files.variant_record import VariantFile
from pipeline.params import Settings, Variant
from tests.wiring.closure import ROOT


def content(**values):
    there = {"name": "in_place", "method": "meta_train", "seed": 0, "inner_rates": None}
    there |= {"axes": Variant(init="pretrained").model_dump(), "dialogues": {}, "over_context": {}}
    there["adapters"] = Settings.load(ROOT / "presets/embedded.yaml").check().adapters.model_dump()
    there |= {"steps": 120, "best_step": 90, "replies": 6684, "outer_replies": 3341}
    there |= {"tokens": 212_000, "operations": 462 * 10**9}
    there |= {"trained_parameters": 8_900, "all_parameters": 199_000}
    there |= {"base": "1" * 64, "tokenizer": "c" * 64, "tasks": {}, "theta": "d" * 64}
    return there | values


def run(**values):
    return parse(VariantFile, content(**values), "models/in_place/seed-0/variant.json")
