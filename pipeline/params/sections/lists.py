"""The lists of variants: which method trains each of them, and which are rows of Table 1."""

from collections.abc import Mapping, Sequence

from pydantic import model_validator

from pipeline import artifacts
from pipeline.params.sections.section import StageParams
from pipeline.params.sections.variant import Variant, VariantName


LISTS = {"train": "trained", "meta_train": "meta_trained", "p2_selfplay": "self_played"}  # by stage


class MethodsParams(StageParams):
    """The lists of the training methods; a variant stands in at most one of them."""

    trained: list[VariantName]
    meta_trained: list[VariantName]
    self_played: list[VariantName]

    def lists_with(self, name: str) -> list[str]:
        """Return the stages whose lists name a variant."""
        return [stage for stage, key in LISTS.items() if name in getattr(self, key)]

    @model_validator(mode="after")
    def _one_method_for_each(self) -> "MethodsParams":
        for key in LISTS.values():
            _refuse_repeated(key, getattr(self, key))
        for name in (*self.trained, *self.meta_trained, *self.self_played):
            keys = [LISTS[stage] for stage in self.lists_with(name)]
            if len(keys) > 1:
                raise ValueError(
                    f"{name!r} stands in {' and '.join(keys)}; a variant has one training method"
                )
        return self


def check_lists(
    methods: MethodsParams, scored: Sequence[str], variants: Mapping[str, Variant]
) -> None:
    """Check the lists against each other and against `variants`.

    Raises:
        ValueError: names the list, the variant and what was expected.
    """
    for key in LISTS.values():
        for name in getattr(methods, key):
            if name not in variants:
                raise ValueError(f"{key}: {name!r} is no key of variants; add its axes there")
    for name in scored:
        if not methods.lists_with(name):
            raise ValueError(
                f"scored: {name!r} is not trained; put it into one of {', '.join(LISTS.values())}"
            )
    for name in methods.self_played:
        _check_transmitter(name, methods.trained, variants)


def check_scored(scored: Sequence[str]) -> None:
    """Refuse a table without rows, and a row that is listed twice; its stage would be, too.

    Raises:
        ValueError: names the list, and the variant.
    """
    if not scored:
        raise ValueError(
            "scored is empty; Table 1 needs a row: name a variant of "
            f"{', '.join(LISTS.values())}, as `scored: [in_place]`"
        )
    _refuse_repeated("scored", scored)


def _refuse_repeated(key: str, names: Sequence[str]) -> None:
    repeated = [name for number, name in enumerate(names) if name in names[:number]]
    if repeated:
        raise ValueError(f"{key}: {repeated[0]!r} is listed twice")


def _check_transmitter(name: str, trained: Sequence[str], variants: Mapping[str, Variant]) -> None:
    """Self-play goes on from a trained transmitter, which therefore has the same axes."""
    transmitter = artifacts.transmitter_dir(name, 0).parent.name
    if transmitter not in trained:
        raise ValueError(
            f"self_played: {name!r} starts from {transmitter!r}, which is not in trained; add it"
        )
    if _network(variants[name]) != _network(variants[transmitter]):
        raise ValueError(
            f"variants: {name!r} starts from {transmitter!r}, so both must have the same axes"
        )


def _network(variant: Variant) -> dict[str, object]:
    """Return what must be equal where one run starts from another: axes, and Φ's sizes in `set`."""
    sizes = {key: value for key, value in variant.set.items() if key.startswith("adapters.")}
    return variant.model_dump() | {"set": sizes}
