"""What summary.json counts, on corpora small enough to count by hand."""

import pytest

from pipeline.errors import DataError
from pipeline.persona.task.record import SPLITS, Dialogue, PersonaTask, Turn
from pipeline.persona.tasks.known_counts import KNOWN, CorpusCounts, archive_sha256, check_counts
from pipeline.persona.tasks.parser import parse
from pipeline.persona.tasks.summary import SplitSums, counts, leaking, summarise


def dialogue(name: str, persona: str, *replies: str, partner: str = "hi ?") -> Dialogue:
    turns = [Turn(partner=partner, reply=reply) for reply in replies]
    return Dialogue(dialogue_id=name, persona=[f"i like {c}." for c in persona], turns=turns)


def ranked(name: str, reply: str, *distractors: str, gold: int = 0) -> Dialogue:
    candidates = list(distractors)
    candidates.insert(gold, reply)
    turn = Turn(partner="hi ?", reply=reply, candidates=candidates, gold=gold)
    return Dialogue(dialogue_id=name, persona=["i swim."], turns=[turn])


def task(split: str, *dialogues: Dialogue) -> PersonaTask:
    return PersonaTask(
        task_id=f"{split}-{dialogues[0].dialogue_id}", split=split, dialogues=list(dialogues)
    )


def summary(train=(), valid=(), test=()):
    plain = {
        split: [task(split, dialogue(f"{split}-plain", f"{split[:2]}12", "plain ."))]
        for split in ("train", "valid", "test")
    }
    given = {"train": train, "valid": valid, "test": test}
    return summarise({split: list(tasks) or plain[split] for split, tasks in given.items()})


def test_counts_of_a_split():
    tasks = [
        task("train", dialogue("a", "abcd", "yes .", "no .")),
        task(
            "train",
            dialogue("b", "wxyz", "?!", partner="__SILENCE__"),
            dialogue("c", "zyxw", "the", "ok"),
            dialogue("d", "wxy", "fine"),
            dialogue("e", "wxy", "bye"),
        ),
    ]
    assert summary(train=tasks)["splits"]["train"] == {
        "personas": 2,
        "personas_with_one_dialogue": 1,
        "personas_with_two_dialogues_or_more": 1,
        "persona_variants": 3,
        "dialogues": 5,
        "dialogues_per_persona": {"min": 1, "median": 2.5, "max": 4},
        "replies": 7,
        "replies_empty_after_normalisation": 2,
        "openings_without_partner": 1,
    }


def test_personas_and_sentences_in_two_splits():
    leaks = summary(
        train=[
            task("train", dialogue("a", "abcde", "x")),
            task("train", dialogue("b", "pqrs", "x")),
        ],
        valid=[
            task("valid", dialogue("c", "abcxy", "x")),
            task("valid", dialogue("d", "pqrs", "x")),
        ],
        test=[task("test", dialogue("e", "xyz", "x"))],
    )["leaks"]
    assert leaks["personas_in_two_splits"] == {"train_valid": 2, "train_test": 0, "valid_test": 0}
    assert leaks["persona_variants_in_two_splits"] == {
        "train_valid": 1,
        "train_test": 0,
        "valid_test": 0,
    }
    assert leaks["persona_sentences_in_two_splits"] == {
        "train_valid": 7,
        "train_test": 0,
        "valid_test": 2,
    }


def test_a_reply_that_stands_in_another_dialogue_of_the_persona():
    persona = task(
        "test",
        dialogue("a", "abc", "i swim .", "I swim !", "hello"),  # twice in one dialogue is no leak
        dialogue("b", "abc", "hello", "well"),
        dialogue("c", "abc", "the hello .", "fine"),
    )
    stranger = task("test", dialogue("d", "xyz", "well"))
    leaks = summary(test=[persona, stranger])["leaks"]["test"]
    assert leaks["replies_in_support"] == 3
    assert leaks["share_of_replies_in_support"] == 3 / 8
    splits = {split: SplitSums() for split in SPLITS}
    for split, records in zip(SPLITS, ([persona], [stranger], [persona, stranger]), strict=True):
        for record in records:
            splits[split].add(record)
    assert leaking(splits) == {"test": 3 / 8}


def test_leaks_of_distractors():
    tasks = [
        task(
            "test",
            ranked("a", "yes .", "YES !", "other", "fine .", "fine ?", "Other", gold=2),
            ranked("b", "fine .", "ok", "the fine", "yes"),
        ),
        task("test", ranked("c", "ok .", "yes .", "fine")),
    ]
    leaks = summary(test=tasks)["leaks"]["test"]
    assert leaks == {
        "replies_in_support": 0,
        "share_of_replies_in_support": 0,
        "distractors_equal_to_gold": 2,  # a: YES; b: the fine
        "distractors_in_support": 3,  # a: fine twice; b: yes
        "distractors_in_same_dialogue": 0,
        "duplicate_candidates": 2,  # a: fine, other
    }


def test_a_distractor_of_ones_own_dialogue_is_counted_apart():
    turns = [
        Turn(partner="hi", reply="first", candidates=["second", "first", "third"], gold=1),
        Turn(partner="hi", reply="second", candidates=["second", "x", "y"], gold=0),
    ]
    own = Dialogue(dialogue_id="a", persona=["i swim."], turns=turns)
    other = ranked("b", "third", "x", "y")
    leaks = summary(test=[task("test", own, other)])["leaks"]["test"]
    assert leaks["distractors_in_same_dialogue"] == 1
    assert leaks["distractors_in_support"] == 1


def test_without_candidates_there_are_no_distractors_to_count():
    leaks = summary()["leaks"]["train"]
    assert {kind: leaks[kind] for kind in leaks if "d" in kind} == dict.fromkeys(
        (
            "distractors_equal_to_gold",
            "distractors_in_support",
            "distractors_in_same_dialogue",
            "duplicate_candidates",
        ),
        0,
    )


def test_counts_by_which_an_archive_is_recognised():
    text = "1 your persona: I'm x.\n2 hi\ta\n3 hi\tb\n1 your persona: i am x\n2 hi\tc\n"
    assert counts(parse(text, origin="x"), 1) == CorpusCounts(2, 3, 1, 1)


UPSTREAM = "507cf8641d333240654798870ea584d854ab5261071c5e3521c20d8fa41d5622"
PART = "7fa3b37f5e332f1507086aadc9f02c569e90aedd14a5745a2daf4e8e0bd99230"


def test_the_known_archives_hold_the_published_numbers():
    known = {
        sha256: {split: (c.dialogues, c.replies, c.personas) for split, c in splits.items()}
        for sha256, splits in KNOWN.items()
    }
    assert known == {
        UPSTREAM: {
            "train": (8939, 65719, 955),
            "valid": (1000, 7801, 100),
            "test": (968, 7512, 100),
        },
        PART: {"train": (4144, 29462, 948), "valid": (504, 3920, 50), "test": (496, 3881, 50)},
    }
    assert [KNOWN[PART][split].variants for split in KNOWN[PART]] == [2619, 208, 206]


@pytest.mark.parametrize("sha256", sorted(KNOWN))
@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize("name", ["dialogues", "replies", "personas"])
def test_a_known_archive_with_another_count_is_refused(sha256, split, name):
    assert check_counts(sha256, KNOWN[sha256])
    right = KNOWN[sha256][split]
    one_less = CorpusCounts(**{**vars(right), name: getattr(right, name) - 1})
    wanted = getattr(right, name)
    with pytest.raises(DataError, match=rf"{split}: {wanted - 1} {name}.*has {wanted}"):
        check_counts(sha256, {**KNOWN[sha256], split: one_less})


def test_of_other_corpora_nothing_is_known():
    assert not check_counts("0" * 64, {})
    assert not check_counts(None, {})


def test_the_checksum_is_read_where_download_writes_it():
    assert archive_sha256({"corpus": {"sha256": PART}, "pretrain": {"sha256": "x"}}) == PART
    assert archive_sha256({"corpus": {"sha256": None}}) is None
    for source in ({}, {"sha256": PART}, {"corpus": "x"}, {"corpus": {}}):
        with pytest.raises(DataError, match=r"source\.json: no corpus\.sha256"):
            archive_sha256(source)
