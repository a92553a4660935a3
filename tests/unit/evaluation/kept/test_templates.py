"""A study's words may be a stranger's: its template gets at numbers, not at code and files."""

from pathlib import Path
from time import process_time

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.kept.documents import pages
from pipeline.evaluation.kept.documents.wrap import wrapped
from stages.studies import study
from tests.support.commands import run_command
from tests.wiring.closure import ROOT


@pytest.fixture
def about(tmp_path, monkeypatch):
    """The template of a study that has nothing else."""
    monkeypatch.chdir(tmp_path)
    path = Path("studies/evil/about.md")
    artifacts.write_text(path, "")
    return path


@pytest.mark.parametrize(
    "asked",
    [
        "cycler.__init__.__globals__.os.system('touch PWNED')",
        "studies.__globals__",
        "paper.__wrapped__.__globals__",
        "again.__closure__",
        "this.study.folder.joinpath('PWNED').write_text('x')",
        "this.study.json('../../secret.json')",
        "study('smollm2').after.found.parse_file('secret.json')",
        "this.study | attr('folder') | attr('rglob')",
        "[this.study] | map(attribute='folder') | first",
        "'{0.study.folder.parent}'.format(this)",
        "lipsum(100000)",
        "range(10 ** 9)",
    ],
)
def test_a_template_runs_no_code_and_opens_no_file(about, asked):
    """`this.study` has the paths of files; a record of pydantic reads a pickle."""
    Path("secret.json").write_text('{"password": "my secret"}')
    Path("studies/smollm2").symlink_to(ROOT / "studies/smollm2")
    about.write_text(f"{{{{ {asked} }}}}\n")
    before = sorted(Path().rglob("*"))
    with pytest.raises(DataError, match=r"studies/evil/about\.md: [A-Z]\w+Error: ") as caught:
        pages.readme(Path(), "evil")
    assert "my secret" not in str(caught.value)
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{{ 1/0 }}", "studies/evil/about.md: ZeroDivisionError: division by zero"),
        (b"{% for %}", "studies/evil/about.md: TemplateSyntaxError: Expected an expression"),
        (b"{% include 'x' %}", "studies/evil/about.md: TypeError: no loader for this"),
        (b"caf\xe9", "studies/evil/about.md: byte 3 is not UTF-8 text; write the file as UTF-8"),
    ],
)
def test_what_is_wrong_with_a_template_is_one_line(about, text, said):
    about.write_bytes(text)
    done = run_command("study", "readme", "evil", folder=Path())
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert said in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "takes"),
        ("{{ 9 ** (9 ** 9) }}", "takes more than 1 seconds, or too much memory; loops in loops"),
        ("{{ 'a' * 10 ** 11 }}", "MemoryError"),
        ("{{ 'a' * 2 ** 21 }}", "makes 2097153 letters; at most 1048576 were expected"),
    ],
)
def test_what_never_ends_or_grows_without_end_has_a_bound(about, monkeypatch, text, said):
    about.write_text(text + "\n")
    monkeypatch.setattr(study, "SECONDS", 1)
    with pytest.raises(DataError, match=rf"studies/evil/about\.md: {said}"):
        study.study(study.Action.README, "evil")
    assert not about.with_name("README.md").exists()


def test_a_link_to_a_file_of_the_users_is_no_template(about):
    Path("secret").write_text("my secret")
    about.unlink()
    about.symlink_to("../../secret")
    with pytest.raises(DataError, match=r"about\.md: a link out of its folder; put the text itse"):
        pages.readme(Path(), "evil")


def test_a_block_of_a_document_is_rendered_in_the_same_way(about):
    text = "<!-- {{ cycler.__init__ }} -->\nold\n<!-- end -->\n"
    with pytest.raises(DataError, match=r"README\.md: SecurityError: access to attribute"):
        pages.filled(text, Path("README.md"), Path())


def test_what_templates_do_ask_for_is_given(about):
    artifacts.write_text(
        about, "{% for n in range(2) %}{{ loop.index }} {{ 'a b'.split(' ')[n] }} {% endfor %}"
    )
    assert pages.readme(Path(), "evil").startswith("1 a 2 b")
    about.write_text("{{ this.before('x') }}")
    with pytest.raises(DataError, match="study evil has no variant x"):
        pages.readme(Path(), "evil")


def test_a_word_of_digits_is_looked_at_once():
    """60 kB took half a minute, and twice as much four times as long."""
    before = process_time()
    assert wrapped("1" * 60_000 + "\n") == "1" * 60_000 + "\n"
    assert process_time() - before < 10
