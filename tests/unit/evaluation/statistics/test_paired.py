"""Paired tests by hand: p-values, Holm, effect sizes."""

import subprocess
import sys

import numpy as np
import pytest

from pipeline.evaluation.comparison.paired import effect_size, holm, sign_flip_p
from tests.wiring.closure import ROOT


def test_p_counts_the_observed_pattern_and_is_never_0():
    p = sign_flip_p(np.full(40, 1.0), permutations=999, seed=0)
    assert p == 1 / 1000


def test_p_is_two_sided_and_does_not_depend_on_the_unit():
    differences = np.array([0.3, -0.1, 0.7, 0.2, 0.45, -0.05])
    p = sign_flip_p(differences, permutations=10, seed=0)
    assert p == sign_flip_p(-differences, permutations=10, seed=0)
    assert p == sign_flip_p(1e-6 * differences, permutations=10, seed=0)
    assert sign_flip_p(np.zeros(20), permutations=10, seed=0) == 1


def test_ties_in_other_order_of_summation_count_as_ties():
    """±0.1 ±0.2 ±0.3: 0.1 + 0.2 and 0.3 differ in the last bit; all 8 patterns are >= 0."""
    assert sign_flip_p(np.array([0.1, 0.2, -0.3]), permutations=10, seed=0) == 1


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_effect_size_is_the_mean_in_standard_deviations():
    assert effect_size(np.array([1.0, 2.0, 3.0])).value == pytest.approx(2.0)
    assert effect_size(np.array([2.0, 2.0])) is None
    assert effect_size(np.array([2.0])) is None


@pytest.mark.parametrize("spread", [1e-14, 1e-9, 1e-5])
@pytest.mark.parametrize("personas", [2, 16])
def test_differences_that_hardly_vary_have_no_effect_size(personas, spread):
    """Of such a t scipy seeks the interval for ever, deaf to Ctrl-C: in a process of its own."""
    values = [33.33333333333333 * (1 + spread * (i % 2)) for i in range(personas)]
    program = (
        "import numpy as np; from pipeline.evaluation.comparison.paired import effect_size;"
        f"print(effect_size(np.array({values})), effect_size(-np.array({values})))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "None None\n"
