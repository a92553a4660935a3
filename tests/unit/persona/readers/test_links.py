"""A link in a stranger's corpus folder must not make a file of the user's part of the corpus."""

import pytest

from pipeline.errors import DataError
from pipeline.persona.corpus.archive import WANTED
from pipeline.persona.corpus.own import digest
from pipeline.persona.readers.shared.files import files_of
from tests.unit.persona.corpus import test_source


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "private").mkdir()
    (tmp_path / "private/diary.txt").write_text("[2024-03-04 21:15] me: a secret\n")
    (tmp_path / "corpus/sub").mkdir(parents=True)
    (tmp_path / "corpus/a.txt").write_text("[2024-03-04 21:15] ann: hi\n")
    return tmp_path / "corpus"


@pytest.mark.parametrize(
    ("name", "to", "given"),
    [
        ("zz.txt", "../private/diary.txt", ""),
        ("sub/zz.txt", "../../private/diary.txt", ""),
        ("zz.txt", "../private/diary.txt", "/*.txt"),
        ("zz", "../private", "/*/*.txt"),
        ("zz", "../private", "/[z]z/diary.txt"),
    ],
)
def test_a_link_out_of_the_folder_is_refused_by_name(corpus, name, to, given):
    (corpus / name).symlink_to(to)
    for read in (files_of, digest):
        with pytest.raises(DataError, match=r"corpus/.*zz.*: a link out of .*corpus, whose own"):
            read(f"{corpus}{given}")


def test_a_link_to_a_folder_elsewhere_is_not_followed(corpus):
    (corpus / "zz").symlink_to("../private")
    assert [file.name for file in files_of(str(corpus))] == ["a.txt"]


def test_links_within_the_folder_and_what_the_user_names_are_read(corpus):
    (corpus / "sub/b.txt").symlink_to("../a.txt")
    (corpus.parent / "link").symlink_to("corpus")
    assert [file.name for file in files_of(str(corpus.parent / "link"))] == ["a.txt", "sub/b.txt"]
    assert len(files_of(f"{corpus.parent}/link/*.txt")) == 1
    (corpus / "own.txt").symlink_to("../private/diary.txt")
    assert len(files_of(str(corpus / "own.txt"))) == 1


def test_links_of_caches_are_read(tmp_path):
    """DVC's to files named by their content, the hub's to blobs of the same data set."""
    cached = tmp_path / f"cache/files/md5/ab/{'0' * 30}"
    blob = tmp_path / "hub/datasets--a--b/blobs/0f"
    for file in (cached, blob):
        file.parent.mkdir(parents=True)
        file.write_text("x")
    snapshot = tmp_path / "hub/datasets--a--b/snapshots/1"
    snapshot.mkdir(parents=True)
    (snapshot / "a.txt").symlink_to("../../blobs/0f")
    (snapshot / "b.txt").symlink_to(cached)
    for given in (snapshot, f"{snapshot}/*.txt"):
        assert [file.name for file in files_of(str(given))] == ["a.txt", "b.txt"]


def test_a_persona_chat_folder_of_links_is_refused(corpus, tmp_path):
    for name in WANTED:
        (corpus / name).symlink_to("../private/diary.txt")
    with pytest.raises(DataError, match=rf"{WANTED[0]}: a link out of .*corpus, whose own"):
        test_source.corpus(tmp_path, test_source.data(source=str(corpus)))
