"""Floors that can be computed by hand: rankers, constant replies, unigrams, the oracle."""

from math import exp, log

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pipeline import artifacts
from pipeline.errors import DataError, MissingFileError, ModelError
from pipeline.evaluation.floors.constant_reply import best_reply, frequent_words, mean_f1
from pipeline.evaluation.floors.measure import measure_floors
from pipeline.evaluation.floors.rankers import DocumentFrequencies, random_hits_at_1
from pipeline.evaluation.floors.rankers import tfidf_hits_at_1 as hits_by_frequencies
from pipeline.evaluation.floors.unigram import (
    ReplyTokens,
    TokenCounts,
    oracle_ppl,
    read_tokens,
)
from pipeline.evaluation.floors.unigram import unigram_ppl as ppl_of_counts
from pipeline.persona.task.text import normalise
from stages.floors import floors
from tests.support.ranked_tasks import a_task, a_turn


def by_words(texts):
    vocabulary = {"dogs": 0, "cats": 1, "i": 2}
    return [[vocabulary[word] for word in text.split()] for text in texts]


def counts(ids):
    counted = TokenCounts()
    counted.add(ids)
    return counted


def unigram_ppl(train, test, vocabulary):
    return ppl_of_counts(counts(train), counts(test), vocabulary)


def tfidf_hits_at_1(train, test):
    return hits_by_frequencies(DocumentFrequencies.of(train), test)


# --- Rankers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turn", "chance"),
    [
        (a_turn("a1", *(f"b{i}" for i in range(19))), 1 / 20),
        (a_turn("x", "y", "y", "y"), 1 / 2),  # identical strings share one score
        (a_turn("x", "x", "y"), 1 / 2),
        (a_turn("a dog .", "dog", "cat"), 2 / 3),  # the same after normalisation
    ],
)
def test_a_random_ranker_hits_as_often_as_distinct_candidates_are_gold(turn, chance):
    assert random_hits_at_1([a_task([turn])]) == pytest.approx(100 * chance)


def test_tfidf_finds_words_of_persona_and_partner_that_train_knows():
    words = [a_turn(word) for word in ("fish", "sea", "cook", "swim")]
    turns = [
        a_turn("i walk my dog", "i cook fish", "we swim"),
        a_turn("yes , the sea !", "i cook fish", "we swim", partner="do you like the sea ?"),
    ]
    test = [a_task(turns, persona=["a dog"])]
    found = tfidf_hits_at_1([a_task(words, split="train", persona=[])], test)
    assert found == {"tfidf": 50.0, "tfidf_persona": 0.0, "tfidf_partner": 50.0}
    found = tfidf_hits_at_1([a_task(words, split="train", persona=["a dog"])], test)
    assert found == {"tfidf": 100.0, "tfidf_persona": 50.0, "tfidf_partner": 50.0}


def test_tfidf_that_sees_nothing_is_no_hit():
    """All similarities are 0: a tie of all candidates, and the gold's place cannot help."""
    train = [a_task([a_turn("dogs")], split="train")]
    found = tfidf_hits_at_1(train, [a_task([a_turn("cats", "fish", "sea")])])
    assert set(found.values()) == {0.0}


def test_frequencies_of_one_task_at_a_time_are_those_of_all_texts_at_once():
    """Weights to the bit, by sklearn's own fit; a word counts once for each text."""
    replies = [["i like dogs", "dogs , dogs !"], ["the cats", "i swim"], ["an"]]
    tasks = [
        a_task([a_turn(reply, partner="and you , cats ?") for reply in of_task], persona=["a dog"])
        for of_task in replies
    ]
    texts = [text for of_task in replies for text in of_task]
    texts += ["and you , cats ?"] * len(texts) + ["a dog"] * len(tasks)
    whole = TfidfVectorizer(analyzer=lambda text: normalise(text).split(), sublinear_tf=True)
    whole.fit(texts)
    ours = DocumentFrequencies.of(tasks).vectorizer()
    assert (ours.transform(texts) != whole.transform(texts)).nnz == 0
    assert [*ours.get_feature_names_out()] == [*whole.get_feature_names_out()]


def test_rankers_refuse_replies_without_candidates():
    with pytest.raises(DataError, match="test-00000: a test reply without candidates"):
        random_hits_at_1([a_task([a_turn("x")])])


# --- Constant replies ---------------------------------------------------------------------------


def test_the_constant_is_the_train_reply_with_the_highest_mean_f1():
    train = ["i like dogs .", "i like cats .", "i like you , and dogs", "what ?", "what is it ?"]
    scores = {reply: mean_f1(reply, train) for reply in train}
    assert best_reply(train) == max(train, key=scores.__getitem__) == "i like dogs ."


def test_mean_f1_by_hand():
    assert mean_f1("i like", ["i like dogs", "cats"]) == pytest.approx(100 * (4 / 5 + 0) / 2)


def test_frequent_words_are_as_many_as_pay_on_train():
    """ "i i like": each of the two "i" is in all but one; "dogs" would cost more than it brings."""
    train = ["i said i like", "i know i like", "i like", "i hope i like dogs"]
    words = frequent_words(train).split()
    assert sorted(words) == ["i", "i", "like"]
    best = mean_f1(" ".join(words), train)
    assert all(best >= mean_f1(" ".join(words[:n]), train) for n in (1, 2, 3))
    assert best > mean_f1("i i like dogs", train)


# --- Perplexities -------------------------------------------------------------------------------


def test_unigrams_are_smoothed_over_vocabulary_and_closing_token():
    """Train: dogs x2, cats x1, closing x2; 3 entries and the closing token, so 5 + 4 = 9."""
    train, test = by_words(["dogs cats", "dogs"]), by_words(["dogs i"])
    expected = -(log(3 / 9) + log(1 / 9) + log(3 / 9)) / 3
    assert unigram_ppl(train, test, 3) == pytest.approx(exp(expected))


def test_unigram_probabilities_add_up_to_one():
    train = by_words(["dogs cats", "dogs"])
    closing = 1 / unigram_ppl(train, [[]], 3)
    each = [1 / unigram_ppl(train, [[token]], 3) ** 2 / closing for token in range(3)]
    assert sum(each) + closing == pytest.approx(1)


def test_the_oracle_is_counted_in_tokens_and_closings():
    """Dialogue 2 of the split's file: 1 + 4 nats over 2 + 1 tokens and two closings."""
    task = a_task([a_turn("dogs cats"), a_turn("i")], number=2)
    oracle = {"test": [[9.0], [9.0, 9.0], [1.0, 4.0]], "valid": []}
    assert oracle_ppl([task], counts(by_words(["dogs cats", "i"])), oracle) == pytest.approx(
        exp(5 / 5)
    )


@pytest.mark.parametrize("oracle", [{}, {"test": []}, {"test": [[1.0]]}])
def test_an_oracle_of_another_corpus_is_refused(oracle):
    task = a_task([a_turn("dogs"), a_turn("cats")])
    with pytest.raises(DataError, match=r"replies for dialogue test-00000, the corpus 2"):
        oracle_ppl([task], counts(by_words(["dogs", "cats"])), oracle)


@pytest.fixture
def tokenizer_json(tmp_path):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    backend.train_from_iterator([" i like dogs", " i like cats"] * 3, trainer)
    backend.add_special_tokens(["<|system|>", "<|/system|>"])
    backend.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_tokens_are_the_bases(tokenizer_json):
    """A leading space, no marks, and the name of a mark is ordinary text."""
    tokens = read_tokens(tokenizer_json)
    backend = Tokenizer.from_file(str(tokenizer_json))
    plain, mark = tokens.encode(["i like dogs", "<|/system|>"])
    assert plain == backend.encode(" i like dogs", add_special_tokens=False).ids
    assert plain != backend.encode("i like dogs", add_special_tokens=False).ids
    assert backend.token_to_id("<|/system|>") not in mark
    assert tokens.vocabulary == backend.get_vocab_size() - 2


def test_tokenizer_files_that_are_not_there_or_none_are_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"stages\.base"):
        read_tokens(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer.json: not a tokenizer"):
        read_tokens(tmp_path / "tokenizer.json")


def test_all_floors_together():
    train = [a_task([a_turn("i i dogs"), a_turn("i dogs"), a_turn("i")], split="train")]
    test = [a_task([a_turn("dogs", "cats"), a_turn("cats", "i")])]
    tokens = ReplyTokens(by_words, 3)
    found = measure_floors(train, test, tokens, {"test": [[1.0, 2.0]]}).content()
    assert found["counts"] == {"personas": 1, "replies": 2}
    assert found["random"] == {"hits_at_1": 50.0}
    assert found["oracle"] == {"ppl": pytest.approx(exp(3 / 4))}
    assert found["unigram"] == {"ppl": unigram_ppl([[2, 2, 0], [2, 0], [2]], [[0], [1]], 3)}
    assert found["constant_reply"] == {
        "reply": "i dogs",
        "f1": pytest.approx(100 * (2 / 3) / 2),
    }
    assert set(found) >= {"tfidf", "tfidf_persona", "tfidf_partner", "frequent_words"}
    assert measure_floors(train, test, tokens, None).oracle is None


@pytest.fixture
def project(tmp_path, monkeypatch, tokenizer_json):
    """A synthetic corpus's tasks and its oracle, and a base's tokenizer."""
    monkeypatch.chdir(tmp_path)
    artifacts.BASE.mkdir(parents=True)
    tokenizer_json.rename(artifacts.BASE / "tokenizer.json")
    source = {"corpus": {"kind": "synthetic"}}
    artifacts.write_json(artifacts.RAW_SOURCE, source)
    artifacts.write_json(artifacts.RAW_ORACLE, {"test": [[1.0]]})
    artifacts.write_json(artifacts.TASKS_SUMMARY, {"source": source})
    for split in ("train", "test"):
        task = a_task([a_turn("dogs", "cats")], split=split)
        dialogues = [task.dialogues[0].model_copy(update={"dialogue_id": f"{split}-00000"})]
        one = task.model_copy(update={"dialogues": dialogues})
        artifacts.write_records(artifacts.tasks_file(split), [one])
    return tmp_path


def test_the_stage_says_what_it_measured(project):
    floors()
    said = artifacts.read_json(artifacts.FLOORS, made_by="floors")["made_from"]
    files = {"tasks": artifacts.TASKS, "base": artifacts.BASE, "oracle": artifacts.RAW_ORACLE}
    assert said == {name: artifacts.sha256_of(path) for name, path in files.items()}
    artifacts.RAW_ORACLE.unlink()
    floors()
    assert artifacts.read_json(artifacts.FLOORS, made_by="floors")["made_from"]["oracle"] is None


def test_an_oracle_of_another_data_raw_than_the_tasks_is_refused(project):
    artifacts.write_json(artifacts.RAW_SOURCE, {"corpus": {"kind": "other"}})
    with pytest.raises(DataError, match=r"data/tasks: made from another data/raw .*stages\.tasks`"):
        floors()
    assert not artifacts.FLOORS.exists()
