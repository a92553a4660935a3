"""The report: numbers where they belong, every claim answered, no gain sold as personal."""

import pytest

from pipeline.evaluation.report.cells import interval, number
from pipeline.evaluation.report.document import document, levels, warnings
from pipeline.evaluation.report.findings import Findings
from pipeline.evaluation.report.markdown import table
from pipeline.evaluation.report.paired_tests import claims, distinguishable
from pipeline.evaluation.schemas.base import Estimate, parse
from pipeline.evaluation.schemas.comparison import (
    AdaptationTest,
    AdaptationTests,
    Comparison,
    Families,
    Family,
    LevelTest,
)
from pipeline.evaluation.schemas.details import Details
from pipeline.evaluation.schemas.made_from import ComparedFrom
from tests.support.details_builder import content, floors
from tests.support.one_run import INPUTS
from tests.support.report_cells import cells
from tests.support.training_runs import run


OTHERS = Family(tests=3, smallest_p_holm=0.0003)


def details(**values):
    return parse(Details, content(**values), "x.json")


def paired(a="in_place", b="transfer", metric="nats_per_token", difference=-0.25, **more):
    values = {
        "metric": metric,
        "a": a,
        "b": b,
        "question": "Does meta-learning help?",
        "personas": 16,
        "difference": {"value": difference, "low": difference - 0.5, "high": difference + 0.25},
        "p": 0.0001,
        "p_holm": 0.25,
        "verdict": "not distinguishable",
    }
    if metric in ("gain", "swap_gap"):
        return AdaptationTest.model_validate(values | {"detectable": 0.1} | more)
    power = {"uncorrected": 0.1, "holm_first_step": 0.2}
    rest = {"d_z": None, "d_z_interval": None, "detectable": power, "over_seeds": None}
    return LevelTest.model_validate(values | rest | more)


def comparison(tests=(), others=OTHERS, adaptation_tests=()):
    families = Families(claims=Family(tests=0, smallest_p_holm=0.0), others=others)
    adaptation = AdaptationTests(correction="Holm", families=families, tests=list(adaptation_tests))
    return Comparison(
        alpha=0.05,
        correction="Holm",
        families=families,
        intervals="",
        tests=list(tests),
        variants=[],
        adaptation=adaptation,
        made_from=ComparedFrom(**INPUTS, params={}, predictions={}),
    )


def findings(*, tests=(), others=OTHERS, adaptation_tests=(), **values):
    defaults = {
        "facts": ["Personas: 16 test."],
        "details": {"transfer": details()},
        "kshot": {},
        "floors": floors(),
        "comparison": comparison(tests, others, adaptation_tests),
    }
    return Findings(**(defaults | values))


def test_a_level_stands_beside_the_papers_with_its_interval():
    text = levels({"transfer": details()}, floors(unigram={"ppl": 144.894}))
    ours_and_theirs = ["20.00 [19.88, 20.12]", "27.35", "30.0 [29.9, 30.1]", "10.9"]
    assert cells(text, "`transfer`")[1:5] == ours_and_theirs
    assert cells(text, "Unigrams")[1:] == ["144.89", "–", "–", "–", "–", "–"]


def test_the_papers_order_then_new_variants_with_no_number_of_the_papers():
    both = {"mine": details(), "in_place": details(), "reinit": details()}
    rows = [line.split("|")[1].strip() for line in levels(both, None).splitlines()[2:]]
    assert rows == ["`reinit`", "`in_place`", "`mine`"]
    assert cells(levels(both, None), "`mine`")[2::2] == ["–", "–", "–"]


@pytest.mark.parametrize(
    ("verdict", "warned"), [("mostly not personal", True), ("partly personal", False)]
)
def test_a_gain_that_strangers_give_is_warned_of(verdict, warned):
    lines = warnings({"transfer": details(gain=0.5, swap_gain=0.375, verdict=verdict)})
    assert any("mostly not personal" in line for line in lines) == warned
    assert not warned or "0.375 [0.250, 0.500] of 0.500" in lines[0]


@pytest.mark.parametrize(("end", "warned"), [(19.0, True), (18.9, False)])
def test_an_end_that_another_variant_starts_from_is_warned_of(end, warned):
    """The trap of a large gain from a bad start."""
    start = {"ppl": {"value": 19.0, "low": None, "high": None}, "hits_at_1": None, "f1": None}
    other = parse(Details, content() | {"before_adaptation": start}, "y.json")
    ours = details(ppl={"value": end, "low": None, "high": None})
    lines = [
        line for line in warnings({"in_place": ours, "adapters": other}) if "`in_place`" in line
    ]
    assert bool(lines) == warned
    assert not warned or "`adapters` at K = 0 19.00" in lines[0]


def test_a_claim_is_answered_whatever_the_answer_is():
    row = cells(claims([paired()]), "Does meta-learning help?")
    assert row[1:4] == ["`in_place` – `transfer`", "nats per token", "-0.250 [-0.750, 0.000]"]
    assert row[4:] == ["< 0.001", "0.250", "not distinguishable"]


def test_other_pairs_are_listed_only_where_they_are_told_apart():
    apart = paired("adapters", "reinit", verdict="better", question=None)
    claimed = paired(metric="f1", verdict="better")  # stands among the claims already
    alike = paired("adapters", "mine", question=None)
    count, text = distinguishable([paired(), apart, claimed, alike], OTHERS, 0.05)
    assert count == "Of 3 tests of other pairs 1 tell them apart after Holm:"
    assert "in_place" not in text
    assert cells(text, "`adapters` – `reinit`")[-1] == "better"
    assert "mine" not in text
    assert "adapters" not in claims([apart, alike])


@pytest.mark.parametrize(("smallest", "said"), [(0.05, "so many that"), (0.0499, "Of 400 tests")])
def test_a_family_that_could_show_nothing_is_not_called_indistinguishable(smallest, said):
    family = Family(tests=400, smallest_p_holm=smallest)
    assert said in distinguishable([paired()], family, 0.05)[0]
    assert distinguishable([paired()], Family(tests=0, smallest_p_holm=0.0), 0.05) == []


def test_what_has_no_table_has_neither_heading_nor_note():
    nothing = findings(others=Family(tests=0, smallest_p_holm=0.0))
    assert "Paired tests" not in document(nothing, {})
    assert "Counts of the training run" not in document(nothing, {})
    assert "## Paired tests" in document(findings(), {})  # of other pairs there is a count
    assert "Counts of the training run" in document(findings(runs={"it": [run()]}), {})


def test_seeds_have_a_section_only_where_there_are_several():
    assert "## Training seeds" not in document(findings(), {})
    crossed = {"value": 20.0, "low": 19.0, "high": 21.0, "crossed_low": 15.0, "crossed_high": 25.0}
    over = {
        "seeds": [0, 1],
        "p": 0.25,
        "difference": {"value": -0.25, "low": -0.75, "high": 0.25},
        "p_holm": 0.75,
        "verdict": "not distinguishable",
    }
    found = findings(details={"transfer": details(ppl=crossed)}, tests=[paired(over_seeds=over)])
    section = document(found, {}).partition("## Training seeds")[2].partition("\n## ")[0]
    assert cells(section, "`transfer`")[2] == "20.00 [15.00, 25.00]"
    assert cells(section, "`in_place` – `transfer`")[2:] == [
        "-0.250 [-0.750, 0.250]",
        "0.750",
        "not distinguishable",
    ]


def test_tests_of_adaptation_have_a_table_of_their_own():
    gap = paired("extra_place", "adapters", "swap_gap", difference=0.25, verdict="larger")
    section = document(findings(adaptation_tests=[gap]), {}).partition("### Whose adaptation")[2]
    row = cells(section, "Does meta-learning help?")
    assert row[1:4] == ["`extra_place` – `adapters`", "swap gap, nats", "0.250 [-0.250, 0.500]"]
    assert row[-1] == "larger"


def test_numbers():
    assert number(-0.0004, 3) == "0.000"
    assert interval(None, 2) == "–"
    assert interval(Estimate(value=1.5, low=None, high=None), 2) == "1.50"
    assert table(["a", "b"], []) == ""
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"
