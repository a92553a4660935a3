"""Sums in parts are those of the whole, to the bit."""

from math import fsum, inf, isnan

from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.records.exact import ExactSum, exact


parts = st.lists(st.lists(st.floats(-1e300, 1e300), max_size=40), max_size=8)


@given(parts, st.sampled_from([1, 30]))
def test_a_sum_in_parts_is_the_sum_of_all_values(some, times):
    total = ExactSum()
    for _ in range(times):
        for values in some:
            total.add(values)
    assert total.value() == exact([v for values in some for v in values] * times)


def test_a_long_sum_keeps_what_rounding_would_lose():
    """One after the other, 1e16 + 1 is 1e16."""
    total = ExactSum()
    for value in (1e16, *[0.3] * 2000, -1e16):
        total.add([value])
    assert total.value() == fsum([0.3] * 2000)


def test_what_no_float_can_hold_is_not_finite():
    assert exact([1e308, 1e308]) == inf
    assert isnan(exact([inf, -inf]))
    total = ExactSum()
    for _ in range(300):
        total.add([inf])
    assert total.value() == inf
