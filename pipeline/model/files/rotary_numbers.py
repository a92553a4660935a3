"""The numbers of rotary positions in a config.json: what no model has, and a scaling of no kind.

`transformers` takes the first as they are, with a remark, and the second for no scaling. What is no
number, or no name of a kind, would fail wherever it is asked for.
"""

from collections.abc import Mapping
from math import inf

from pipeline.errors import ModelError, one_line


_DIVISORS = ("factor", "original_max_position_embeddings", "rope_theta")
_UNSCALED = ("partial_rotary_factor", "rope_theta")  # these alone need no kind
_KINDS = ("rope_type", "type")


def refuse_odd_rotary(value: object, key: str, origin: str) -> None:
    """Refuse numbers that no scaling of rotary positions has, and a scaling that names no kind.

    Args:
        value: of `rope_parameters` or `rope_scaling`; layers of a kind may have their own in it.
        key: its name.
        origin: the file, for errors.

    Raises:
        ModelError: names the number, or what stands there without a kind.
    """
    if not isinstance(value, dict):
        return
    given = {name: each for name, each in value.items() if each is not None}
    for name, each in given.items():
        refuse_odd_rotary(each, f"{key}.{one_line(name, 40)}", origin)
    _refuse_no_names(given, key, origin)
    _refuse_numbers(given, key, origin)
    scaled = [n for n, v in given.items() if n not in _UNSCALED and not isinstance(v, dict)]
    if scaled and not any(kind in given for kind in _KINDS):
        raise ModelError(
            f"{origin}: {key} has {one_line(scaled[0], 40)} and names no kind of scaling; give "
            "rope_type, or leave it out"
        )


def _refuse_no_names(given: Mapping[str, object], key: str, origin: str) -> None:
    for name in _KINDS:
        if not isinstance(given.get(name, ""), str):
            raise ModelError(
                f"{origin}: {key}.{name} is {one_line(repr(given[name]), 60)}; the name of a kind "
                "of scaling is needed"
            )


def _refuse_numbers(given: Mapping[str, object], key: str, origin: str) -> None:
    for name, each in given.items():
        for number in each if isinstance(each, list) else [each]:
            odd = isinstance(number, int | float) and not 0 <= number < inf
            no_divisor = not isinstance(number, int | float) or number == 0
            if odd or (name in _DIVISORS and no_divisor):
                raise ModelError(
                    f"{origin}: {key}.{one_line(name, 40)} is {one_line(repr(number), 60)}; a "
                    "finite number above 0 is needed"
                )
