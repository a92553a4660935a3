"""Tables and answers: numbers where they belong, every claim answered, no gain sold as personal."""

import pytest

from pipeline.evaluation.report import tables
from pipeline.evaluation.report.cells import interval, number
from pipeline.evaluation.report.markdown import table
from pipeline.evaluation.report.paired_tests import claims, others
from pipeline.evaluation.report.table import Row, Table, latex, markdown
from pipeline.evaluation.report.tables import levels, warnings
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


def test_a_level_stands_beside_the_papers_with_its_interval():
    text = markdown(levels({"transfer": details()}, floors(unigram={"ppl": 144.894})))
    ours_and_theirs = ["20.00 [19.88, 20.12]", "27.35", "30.0 [29.9, 30.1]", "10.9"]
    assert cells(text, "`transfer`")[1:5] == ours_and_theirs
    assert cells(text, "Unigrams")[1:] == ["144.89", "–", "–", "–", "–", "–"]


def test_the_papers_order_then_new_variants_with_no_number_of_the_papers():
    both = {"mine": details(), "in_place": details(), "reinit": details()}
    shown = levels(both, None)
    assert [row.head for row in shown.rows] == ["reinit", "in_place", "mine"]
    assert [row.title for row in shown.rows] == ["REINIT GPT-2", "In-place MAMLviaPP", None]
    assert cells(markdown(shown), "`mine`")[2::2] == ["–", "–", "–"]


def test_a_users_words_stay_in_their_cell():
    text = table(["question", "p"], [["Is p(reply | person) better?\nOr not?", "0.938"]])
    assert text.splitlines()[2:] == [r"| Is p(reply \| person) better? Or not? | 0.938 |"]


@pytest.mark.parametrize(
    ("verdict", "warned"), [("mostly not personal", True), ("partly personal", False)]
)
def test_a_gain_that_strangers_give_is_warned_of(verdict, warned):
    lines = warnings({"transfer": details(gain=0.5, swap_gain=0.375, verdict=verdict)})
    assert any("mostly not personal" in line for _, line in lines) == warned
    assert not warned or "0.375 [0.250, 0.500] of 0.500" in lines[0][1]


@pytest.mark.parametrize(("end", "warned"), [(19.0, True), (18.9, False)])
def test_an_end_that_another_variant_starts_from_is_warned_of(end, warned):
    """The trap of a large gain from a bad start."""
    start = {"ppl": {"value": 19.0, "low": None, "high": None}, "hits_at_1": None, "f1": None}
    other = parse(Details, content() | {"before_adaptation": start}, "y.json")
    ours = details(ppl={"value": end, "low": None, "high": None})
    found = warnings({"in_place": ours, "adapters": other})
    lines = [line for name, line in found if name == "in_place"]
    assert bool(lines) == warned
    assert not warned or "adapters at K = 0 19.00" in lines[0]


def test_a_claim_is_answered_whatever_the_answer_is():
    (claim,) = claims(comparison([paired()]))
    (answer,) = claim.answers
    assert (claim.question, claim.a, claim.b) == (
        "Does meta-learning help?",
        "in_place",
        "transfer",
    )
    assert (answer.measure, answer.words) == ("nats per token", "no difference found")
    numbers = "in_place minus transfer is -0.250 [-0.750, 0.000], p = 0.250 after Holm."
    assert answer.numbers == f"{numbers} 16 people show a difference of 0.100 in 80 % of cases."
    (claim,) = claims(comparison([paired(verdict="worse", p_holm=0.0001)]))
    assert claim.answers[0].words == "in_place is worse"
    assert claim.answers[0].numbers.endswith("[-0.750, 0.000], p < 0.001 after Holm.")


def test_a_question_has_the_answers_of_levels_and_of_adaptation():
    gap = paired(metric="swap_gap", difference=0.25, verdict="larger")
    (claim,) = claims(comparison([paired(), paired(metric="f1")], adaptation_tests=[gap]))
    assert [a.measure for a in claim.answers] == ["nats per token", "F1, points", "swap gap, nats"]
    assert claim.answers[2].words == "in_place has the larger one"


def test_an_answer_over_seeds_stands_beside_that_over_people():
    over = {"seeds": [0, 1], "p": 0.25, "p_holm": 0.75, "verdict": "better"}
    over |= {"difference": {"value": -0.25, "low": -0.75, "high": 0.25}}
    (claim,) = claims(comparison([paired(over_seeds=over)]))
    words = "in_place is better; in_place minus transfer is -0.250 [-0.750, 0.250], p = 0.750"
    assert claim.answers[0].over_seeds == f"Over 2 training seeds, too: {words} after Holm."
    assert claims(comparison([paired()]))[0].answers[0].over_seeds is None


def test_other_pairs_are_listed_only_where_they_are_told_apart():
    apart = paired("adapters", "reinit", verdict="better", question=None)
    claimed = paired(metric="f1", verdict="better")  # stands among the claims already
    alike = paired("adapters", "mine", question=None)
    said, listed = others([paired(), apart, claimed, alike], OTHERS, 0.05)
    assert said == "Of 3 tests of other pairs 1 tell them apart after Holm:"
    assert listed == [apart]
    assert claims(comparison([apart, alike])) == []


@pytest.mark.parametrize(("smallest", "said"), [(0.05, "so many that"), (0.0499, "Of 400 tests")])
def test_a_family_that_could_show_nothing_is_not_called_indistinguishable(smallest, said):
    family = Family(tests=400, smallest_p_holm=smallest)
    assert said in others([paired()], family, 0.05)[0]
    assert others([paired()], Family(tests=0, smallest_p_holm=0.0), 0.05) == ("", [])


def test_seeds_have_a_table_only_where_there_are_several():
    assert not tables.over_seeds({"transfer": details()})
    crossed = {"value": 20.0, "low": 19.0, "high": 21.0, "crossed_low": 15.0, "crossed_high": 25.0}
    found = tables.over_seeds({"transfer": details(ppl=crossed)})
    assert found.rows[0].cells[1] == "20.00 [15.00, 25.00]"


def test_costs_are_those_of_variants_that_were_trained():
    assert [row.head for row in tables.costs({"in_place": [run()], "reinit": []}).rows] == [
        "in_place"
    ]


def test_a_table_for_latex_has_the_papers_names_and_no_bare_mark():
    rows = [Row("in_place", ["1 %", "–"], title="P² & co_"), Row("my_own", ["2", "3"])]
    text = latex(Table(["variant", "F1 % ↑", "paper"], rows))
    assert r"P\textsuperscript{2} \& co\_" in text
    assert r"my\_own" in text
    assert r"F1 \% $\uparrow$" in text
    assert text.splitlines()[0] == r"\begin{tabular}{lrr}"
    assert text.isascii()


def test_numbers():
    assert number(-0.0004, 3) == "0.000"
    assert interval(None, 2) == "–"
    assert interval(Estimate(value=1.5, low=None, high=None), 2) == "1.50"
    assert table(["a", "b"], []) == ""
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n|---|---|\n| 1 | 2 |"
