"""ShareGPT's JSON, the hub's JSON of Persona-chat, ConvoKit's utterances."""

import json

import pytest

from pipeline.errors import DataError
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers.shared import json_values
from tests.support.reading import raw, texts, tidied


SHAREGPT = [
    {
        "id": "QWErty1_0",
        "conversations": [
            {"from": "system", "value": "You are Captain Hook."},
            {"from": "human", "value": "Who goes there?"},
            {"from": "gpt", "value": "Arr. The captain."},
        ],
    },
    {
        "person": "wendy",
        "conversations": [
            {"from": "human", "value": "Night?"},
            {"from": "gpt", "value": "Night."},
            {"from": "human", "value": "…"},
        ],
    },
    {
        "id": "x",
        "system": "You are Captain Hook.",
        "conversations": [
            {"role": "user", "content": "Again?"},
            {"role": "assistant", "content": "Aye."},
        ],
    },
    {"id": "y", "conversations": [{"from": "gpt", "value": "Alone."}]},
]


def written(tmp_path, content, name="c.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_sharegpt(tmp_path):
    tally = Tally()
    hook, wendy, again, alone = tidied(written(tmp_path, SHAREGPT), tally)
    assert hook.person == again.person
    assert hook.person.startswith("prompt-")
    assert (wendy.person, alone.person) == ("wendy", "c.json:1")
    assert hook.persona == again.persona == ["You are Captain Hook."]
    assert texts(again) == [("user", "Again?"), ("assistant", "Aye.")]
    assert len(tally.notes) == 2


def test_sharegpt_as_lines(tmp_path):
    lines = "".join(json.dumps(record) + "\n" for record in SHAREGPT[:3])
    assert raw(written(tmp_path, lines)) == raw(written(tmp_path, SHAREGPT[:3]))


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"conversations": [{"from": "observation", "value": "x"}]}, "unknown role 'observation'"),
        ({"conversations": [{"from": "gpt", "value": None}]}, "is NoneType, not a text"),
        ({"conversations": ["hello"]}, 'an object with "from" and "value"'),
        ({"conversations": "hello"}, 'an object with a list "conversations"'),
        ({"conversations": []}, "not a conversation: messages"),
        (7, 'an object with a list "conversations"'),
    ],
)
def test_a_broken_record_of_sharegpt_is_named_or_left_out(tmp_path, record, problem):
    path = written(tmp_path, "[\n" + ",\n".join(map(json.dumps, [SHAREGPT[1], record])) + "]")
    with pytest.raises(DataError, match=f"c.json:3: .*{problem}.*--skip-broken"):
        raw(path)
    assert len(raw(path, skip_broken=True)) == 1


def utterance(history, reply):
    return {"candidates": [*(f"no {n}" for n in range(19)), reply], "history": history}


HUB = {
    "train": [
        {
            "personality": ["i like ice .", "i ski ."],
            "utterances": [
                utterance(["hi ."], "hello !"),
                utterance(["hi .", "hello !", "what is up ?"], "snow ."),
            ],
        },
        {
            "personality": ["i surf ."],
            "utterances": [utterance(["__ SILENCE __"], "waves !")],
        },
    ],
    "valid": [
        {"personality": ["i row ."], "utterances": [{"history": ["hi"], "candidates": ["yo"]}]}
    ],
}


@pytest.mark.parametrize("indent", [None, 2])
def test_hub_json_of_personachat(tmp_path, indent):
    tally = Tally()
    skier, surfer, rower = tidied(written(tmp_path, json.dumps(HUB, indent=indent)), tally)
    assert texts(skier) == [
        ("user", "hi ."),
        ("assistant", "hello !"),
        ("user", "what is up ?"),
        ("assistant", "snow ."),
    ]
    assert skier.persona == ["i like ice .", "i ski ."]
    assert [offered[-1] for offered in skier.candidates] == ["hello !", "snow ."]
    assert texts(surfer) == [("assistant", "waves !")]
    assert [one.split for one in (skier, surfer, rower)] == ["train", "train", "valid"]
    assert rower.candidates is None  # they are not 20
    assert {one.person for one in (skier, surfer, rower)} == {None}  # grouped by persona later


def test_rows_of_one_utterance_each_are_joined(tmp_path):
    rows = [
        {"personality": record["personality"], "conv_id": number, "utterance_idx": place, **one}
        for number, record in enumerate(HUB["train"])
        for place, one in enumerate(record["utterances"])
    ]
    lines = written(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "train.jsonl")
    whole = raw(written(tmp_path, {"train": HUB["train"]}))
    assert raw(lines) == whole


def test_a_broken_record_of_the_hub_is_named_or_left_out(tmp_path):
    bad = {"train": [*HUB["train"], {"personality": ["i am ."], "utterances": [{"history": []}]}]}
    path = written(tmp_path, bad)
    with pytest.raises(DataError, match=r'c\.json:1: "candidates" must be a list of texts'):
        raw(path)
    assert len(raw(path, skip_broken=True)) == 2


def convokit(*utterances):
    """Lines of (id, conversation, speaker, reply to, text)."""
    keys = ("id", "conversation_id", "speaker", "reply_to", "text")
    return "".join(json.dumps(dict(zip(keys, one, strict=True))) + "\n" for one in utterances)


def test_convokit_is_told_from_each_side(tmp_path):
    text = convokit(
        ("a", "a", "romeo", None, "Juliet?"),
        ("x", "x", "nurse", None, "Coming!"),  # another conversation between its lines
        ("b", "a", "juliet", "a", "Romeo!"),
        ("c", "a", "romeo", "b", "It is I."),
    )
    romeo, juliet, nurse = raw(written(tmp_path, text, "utterances.jsonl"))
    assert [one.person for one in (romeo, juliet, nurse)] == ["romeo", "juliet", "nurse"]
    assert texts(romeo) == [("assistant", "Juliet?"), ("user", "Romeo!"), ("assistant", "It is I.")]
    assert texts(juliet)[1] == ("assistant", "Romeo!")
    assert romeo.conversation == juliet.conversation != nurse.conversation


def test_every_utterance_of_a_tree_is_a_reply_once(tmp_path):
    text = convokit(
        ("a", "a", "op", None, "Question?"),
        ("b", "a", "ann", "a", "Answer."),
        ("c", "a", "bob", "a", "Another."),
        ("d", "a", "op", "b", "Thanks, ann."),
        ("e", "a", "op", "c", "Thanks, bob."),
    )
    views = raw(written(tmp_path, text, "utterances.jsonl"))
    said = [text for one in views for role, text in texts(one) if role == "assistant"]
    assert sorted(said) == ["Another.", "Answer.", "Question?", "Thanks, ann.", "Thanks, bob."]
    bob = next(one for one in views if one.person == "bob")
    assert texts(bob) == [
        ("user", "Question?"),
        ("assistant", "Another."),
        ("user", "Thanks, bob."),
    ]
    assert len({one.conversation for one in views}) == 1


def test_older_names_of_convokits_fields_are_known(tmp_path):
    old = {"id": "a", "root": "r", "user": "ann", "text": "hi", "reply-to": None}
    (view,) = raw(written(tmp_path, json.dumps(old), "utterances.jsonl"))
    assert (view.person, texts(view)) == ("ann", [("assistant", "hi")])


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ({"speaker": "", "text": "x", "conversation_id": "c"}, "speaker must be a name"),
        ({"speaker": "a", "text": 1, "conversation_id": "c"}, "text must be a text"),
        ({"speaker": "a", "text": "x"}, "conversation_id must be a name"),
        (
            {"speaker": "a", "text": "\ud800", "conversation_id": "c"},
            r"not JSON \(half a surrogate pair",
        ),
        ([], "an object with speaker"),
    ],
)
def test_a_broken_utterance_is_named_or_left_out(tmp_path, broken, problem):
    text = convokit(("a", "a", "ann", None, "hi")) + json.dumps(broken) + "\n"
    path = written(tmp_path, text, "utterances.jsonl")
    with pytest.raises(DataError, match=rf"utterances\.jsonl:2: {problem}"):
        raw(path)
    assert len(raw(path, skip_broken=True)) == 1


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ('[{"conversations": []},\n {"conversations": [}]', "c.json:2: not JSON"),
        ('[{"conversations": []}', "the file ends within a value"),
        ('[{"conversations": []} {"a": 1}]', "a comma was expected"),
        ('[{"conversations": []}] tail', "behind the last value"),
        ('[{"conversations": [], "a": 1, "a": 2}]', "is there twice"),
        ('[{"conversations": [], "a": NaN}]', "no number of JSON"),
    ],
)
def test_a_broken_array_names_the_line(tmp_path, content, match):
    from pipeline.persona.readers.shared.files import CorpusFile
    from pipeline.persona.readers.shared.json_values import values_of

    path = written(tmp_path, content)
    with pytest.raises(DataError, match=match):
        list(values_of(CorpusFile(path, path.name), Tally(skip_broken=True)))


def test_an_array_is_read_in_pieces(tmp_path, monkeypatch):
    """Whatever the pieces, the values and their lines are the same."""
    from pipeline.persona.readers.shared.files import CorpusFile

    records = [
        {"n": n, "text": 'a "quoted" \\ line\n' * n, "x": [1.5, True, None]} for n in range(9)
    ]
    path = written(tmp_path, json.dumps({"train": records, "test": records[:2]}, indent=3))
    file = CorpusFile(path, path.name)
    whole = list(json_values.values_of(file, Tally()))
    text = path.read_text()
    assert whole[5].line == text[: text.index('"n": 5,')].count("\n")  # of the brace before
    assert [value.content for value in whole] == [*records, *records[:2]]
    for chunk in (17, 33, 64):
        monkeypatch.setattr(json_values, "_CHUNK", chunk)
        assert list(json_values.values_of(file, Tally())) == whole
