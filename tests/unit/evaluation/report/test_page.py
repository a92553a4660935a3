"""The page: its numbers are the metrics files', strangers' words are words, it asks for nothing."""

import csv

import pytest

from pipeline import artifacts
from pipeline.evaluation.report.charts import figures
from pipeline.evaluation.report.samples.strangers import visible
from stages.report import report
from tests.support import report_project
from tests.support.html_tables import Read
from tests.support.report_project import page_of, scored
from tests.support.sealed import edit_sealed
from tests.wiring.closure import ROOT


HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> &amp; \"quoted\" 'so' {{ 7 * 7 }} "
    "{% raw %} </td></table> \x1b[31mred\x1b[0m \u202eright $x_1$ https://example.org/a.js 🙂"
)
DIGITS = {"ppl": 2, "hits_at_1": 1, "f1": 1}  # of Table 1, as docs/metrics.md's readers see them


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The committed metrics' page, with a persona, partner and model that write markup."""
    path = page_of(tmp_path_factory.mktemp("report"), HOSTILE)
    return Read.of(path.read_text(encoding="utf-8"))


def details(name):
    return artifacts.read_json(ROOT / artifacts.details_file(name), made_by="score")


def shown(estimate, digits):
    """An estimate as a reader expects it, by a rule of its own."""
    if estimate is None:
        return "–"
    texts = [f"{estimate[end]:.{digits}f}" for end in ("value", "low", "high")]
    value, low, high = (t.removeprefix("-") if float(t) == 0 else t for t in texts)
    return f"{value} [{low}, {high}]"


@pytest.mark.parametrize("name", sorted(scored()))
def test_table_1_is_the_files(page, name):
    found = page.row("levels", name)[::2]  # every other column is the paper's
    assert found == [shown(details(name)["metrics"][m], d) for m, d in DIGITS.items()]


@pytest.mark.parametrize("name", sorted(scored()))
def test_the_table_of_gains_is_the_files(page, name):
    one = details(name)
    epoch, before, *nats, verdict = page.row("gains", name)
    assert (epoch, verdict) == (str(one["headline"]["epoch"]), one["adaptation"])
    assert before == shown(one["before_adaptation"]["ppl"], 2)
    assert nats == [shown(one[key], 3) for key in ("gain", "swap_gain", "swap_gap")]


@pytest.mark.parametrize("metric", DIGITS)
def test_figure_3_has_its_numbers_beside_it(page, metric):
    assert {row[0] for row in page.tables[f"fig3_{metric}-numbers"][1:]} == set(scored())
    for name in scored():
        with (ROOT / artifacts.kshot_file(name)).open() as file:
            rows = list(csv.DictReader(file))
        expected = [
            shown(
                {
                    end: float(row[f"{metric}{suffix}"])
                    for end, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
                },
                DIGITS[metric],
            )
            for row in rows
        ]
        assert page.row(f"fig3_{metric}-numbers", name) == expected


def test_every_question_is_answered_by_every_measure(page):
    compared = artifacts.read_json(ROOT / artifacts.COMPARISON, made_by="compare")
    tests = [t for t in compared["tests"] + compared["adaptation"]["tests"] if t["question"]]
    words = " ".join(page.words.split())
    assert len(tests) == len([tag for tag, _ in page.tags if tag == "dt"]) > 0
    for test in tests:
        digits = {"hits_at_1": 1, "f1": 1}.get(test["metric"], 3)
        difference = shown(test["difference"], digits)
        assert f"{test['a']} minus {test['b']} is {difference}" in words


def test_strangers_words_stay_words(page):
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "img" not in [tag for tag, _ in page.tags]
    assert not any(name.startswith("on") for _, values in page.tags for name in values)
    words = " ".join(page.words.split())
    for said in ("<script>alert(1)</script>", "{{ 7 * 7 }}", "{% raw %}", "</td></table>", "🙂"):
        assert said in words
    assert "\\x1b[31mred" in words
    assert "\\u202eright" in words
    assert not {"\x1b", "\u202e"} & set(page.words)


def test_persona_history_reply_and_every_variant_are_in_a_sample(page):
    words = " ".join(page.words.split())
    for one in ("i am.", "ask 0", "say 0", "ask 1", "say 1"):
        assert f"🙂 {one}" in words
    for name, headline in scored().items():
        for epoch in {0, headline}:
            assert words.count(f"🙂 {name} at {epoch}") == 4  # two replies; sample and greedy


def test_the_page_asks_for_nothing(page):
    for tag, values in page.tags:
        for name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            if (there := values.get(name)) is not None:
                assert there.startswith(("#", "data:")), (tag, there)
    assert not any(tag in ("iframe", "object", "embed", "base") for tag, _ in page.tags)
    policy = [v["content"] for t, v in page.tags if v.get("http-equiv")]
    assert policy[0].startswith("default-src 'none'")


def test_no_id_is_there_twice_and_every_chart_says_what_it_shows(page):
    ids = [values["id"] for _, values in page.tags if "id" in values]
    assert len(ids) == len(set(ids))
    charts = [values for tag, values in page.tags if tag == "svg" and values.get("role") == "img"]
    assert len(charts) > 20
    assert all(values["aria-labelledby"] in ids for values in charts)


def test_what_differs_from_the_papers_preset_is_marked(page):
    assert page.row("main-parameters", "inner_lr ≠") == ["0.1", "0.001"]
    assert page.row("main-parameters", "meta_gradient") == ["exact", "the same"]
    assert page.row("parameters", "data.source ≠") == ["synthetic", "personachat"]


def test_no_secret_of_a_url_is_shown(tmp_path, monkeypatch):
    secret = "https://user7:word7@host/corpus.tgz?token=tok7"
    layout = report_project.lay_out

    def with_a_url(folder):
        layout(folder)
        params = folder / "params.yaml"
        text = params.read_text()
        assert "source: synthetic" in text
        text = text.replace("source: synthetic", f"source: {secret}", 1)
        params.write_text(text.replace("sha256: null", f"sha256: {'0' * 64}", 1))

    monkeypatch.setattr(report_project, "lay_out", with_a_url)
    text = page_of(tmp_path, "hello").read_text(encoding="utf-8")
    assert "data.source is https://host/corpus.tgz," in text
    assert Read.of(text).row("parameters", "data.source ≠")[0] == "https://host/corpus.tgz"
    assert [one for one in ("user7", "word7", "tok7") if one in text] == []


def test_the_page_has_the_name_of_a_path_that_outs_have(tmp_path, monkeypatch):
    """An edit to a path of the same name is not noticed: the page would say where it is not."""
    layout = report_project.lay_out

    def with_a_path(folder):
        layout(folder)
        params = folder / "params.yaml"
        text = params.read_text().replace("source: synthetic", "source: /other/disk/chats", 1)
        params.write_text(text)

    monkeypatch.setattr(report_project, "lay_out", with_a_path)
    text = page_of(tmp_path, "hello").read_text(encoding="utf-8")
    assert "data.source is chats," in text
    assert Read.of(text).row("parameters", "data.source ≠")[0] == "chats"
    assert "/other/disk" not in text


def test_a_figure_3_without_points_says_why(tmp_path, monkeypatch):
    drawn = figures.figure_3

    def of_headers(kshot):
        return drawn({name: text.splitlines()[0] for name, text in kshot.items()})

    monkeypatch.setattr(figures, "figure_3", of_headers)
    page = Read.of(page_of(tmp_path, "hello").read_text(encoding="utf-8"))
    assert "No points: finetune.k is empty, or nobody of test has a dialogue left" in page.words
    assert "fig3_ppl-numbers" not in page.tables
    assert not (tmp_path / artifacts.REPORT / "figures/fig3.svg").exists()


def test_prompts_that_hold_next_to_nothing_say_so(page):
    """Of the embedded preset's dialogues 0.18 fit, whatever K is."""
    rows = page.tables["in-context"][1:]
    assert {row[1] for row in rows} == {"1 (0.18 fit)"}
    assert len(rows) == len(scored())
    assert "(n fit): fewer dialogues than K fit into the prompt" in page.words


def test_floors_over_other_replies_than_the_systems_say_so(page):
    words = " ".join(page.words.split())
    assert "scored on that person's others (223 replies)" in words
    assert "measured on all 1111 replies of the test people, the systems on 223 of them" in words


def test_a_reply_counts_once_however_many_seeds_read_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report_project.lay_out(tmp_path)
    report_project.talk(tmp_path, "hello")
    for name in scored():
        edit_sealed(
            artifacts.details_file(name),
            lambda one: one | {"counts": one["counts"] | {"records": 2222, "seeds": [0, 1]}},
        )
    report()
    text = (tmp_path / artifacts.REPORT / "index.html").read_text(encoding="utf-8")
    words = " ".join(Read.of(text).words.split())
    assert "scored on that person's others (1111 replies)" in words
    assert "What needs no learning is measured" not in words


def test_a_leak_of_people_is_said(page):
    words = " ".join(page.words.split())
    assert "people who are in both splits, train and test: 2" in words
    assert "candidates that are twice in a list, test" not in words  # none


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\nb\t c", "a b c"),
        ("", "(nothing)"),
        ("\x00\x07\x7f\x85", r"\x00\x07\x7f"),  # U+0085 is a space
        ("\u200bx\ufeff", r"\u200bx\ufeff"),
        ("👩\u200d💻 می\u200cخواهم", "👩\u200d💻 می\u200cخواهم"),
    ],
)
def test_what_a_reader_cannot_see_is_shown(text, seen):
    assert visible(text) == seen
