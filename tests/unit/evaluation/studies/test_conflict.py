"""The curve of study `conflict`: the sign of a gain, its interval, and the words for it."""

import numpy as np
import pytest
from scipy import stats

from pipeline.errors import DataError
from pipeline.evaluation.few_shot.shots import ShotSums
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.studies.conflict import Curve, curve, picture


PEOPLE, SEEDS, TOKENS = 12, 3, 100.0
BOOTSTRAP = Bootstrap(200, 0)


def row(nats_by_k):
    """A row whose people have these nats per token, (p, q), by K."""
    tuned = {
        k: [[[value * TOKENS, TOKENS] for value in person] for person in nats]
        for k, nats in nats_by_k.items()
    }
    names = [f"p{i:02}" for i in range(PEOPLE)]
    return ShotSums(
        seeds=[0, 1, 2], personas=names, by_k=[], tuned=tuned, prompted={}, prompted_k={}
    )


def noise(scale, seed):
    return np.random.default_rng(seed).normal(0, scale, (PEOPLE, SEEDS))


def setting(ahead, scale=0.01):
    """`in_place` is `ahead` nats below `transfer` at every K."""
    base = 2 + noise(0.3, 0)
    normal = {k: base + noise(scale, k + 1) for k in (0, 1, 5)}
    return {"transfer": row(normal), "in_place": row({k: n - ahead for k, n in normal.items()})}


def test_a_gain_is_positive_where_meta_learning_is_lower():
    found = curve({0.0: setting(0.0), 1.0: setting(0.25)}, BOOTSTRAP)
    gains = {(one.conflict, one.k): one.gain.value for one in found.gains}
    assert gains[1.0, 1] == pytest.approx(0.25)
    assert gains[0.0, 1] == pytest.approx(0.0)
    assert found.tests == 4  # two settings, K = 1 and 5; K = 0 is shown and not claimed
    verdicts = {(one.conflict, one.k): one.verdict for one in found.gains}
    assert verdicts[1.0, 1] == verdicts[1.0, 5] == "better"
    assert verdicts[0.0, 1] == "not distinguishable"
    assert verdicts[1.0, 0] is None


def test_a_loss_is_called_worse():
    (_, one, five) = curve({1.0: setting(-0.25)}, BOOTSTRAP).gains
    assert one.verdict == five.verdict == "worse"


def test_one_seed_that_differs_makes_no_win():
    """The people agree in every seed; two seeds say nothing, one says much: seeds decide."""
    rows = setting(0.0)
    shift = np.array([0.0, 0.0, 0.6])
    normal = {k: rows["transfer"].nats(k) + shift for k in (0, 1, 5)}
    (_, one, _) = curve({1.0: {**rows, "transfer": row(normal)}}, BOOTSTRAP).gains
    assert one.gain.low > 0.15  # people alone
    assert one.verdict == "not distinguishable"
    half = stats.t.ppf(0.975, 2) * np.std(shift, ddof=1) / np.sqrt(3)
    assert one.gain.crossed_high - one.gain.value == pytest.approx(half, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": [0, 1, 5]}, r"1.0 has 12 people by training seeds \[0, 1, 5\]"),
        ({"personas": ["p00"]}, r"1.0 has 1 people by training seeds \[0, 1, 2\]"),
    ],
)
def test_settings_of_other_people_or_seeds_make_no_curve(change, said):
    other = {name: row.model_copy(update=change) for name, row in setting(0.1).items()}
    with pytest.raises(
        DataError, match=rf"setting 0.0 has 12 people by .* \[0, 1, 2\], .* {said};"
    ):
        curve({0.0: setting(0.0), 0.5: setting(0.0), 1.0: other}, BOOTSTRAP)


def test_levels_are_means_over_people_and_seeds():
    rows = setting(0.1)
    found = curve({0.5: rows}, BOOTSTRAP)
    level = next(one for one in found.levels if (one.row, one.k) == ("in_place", 5))
    assert level.nats.value == pytest.approx(rows["in_place"].nats(5).mean())
    assert Curve.model_validate_json(found.model_dump_json()) == found


def test_a_picture_has_a_line_for_each_k():
    drawn = picture(curve({0.0: setting(0.0), 1.0: setting(0.25)}, BOOTSTRAP))
    assert [f"K = {k}" in drawn for k in (0, 1, 3, 5)] == [True, True, False, True]
    assert "Gain of in_place over transfer" in drawn
    assert "extra_place" not in drawn
