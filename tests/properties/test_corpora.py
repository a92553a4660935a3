"""Readers of corpora lose nothing by the documented format; nobody is in two splits."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError, PipelineError
from pipeline.params import SplitShares
from pipeline.persona.conversation.record import Conversation, Message
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.conversation.tidy import tidy
from pipeline.persona.corpus.census import Census
from pipeline.persona.corpus.own import survey
from pipeline.persona.corpus.split import placed
from pipeline.persona.tasks.conversations import ConversationFile
from tests.support.reading import data, raw, texts


seeded = settings(max_examples=150, deadline=None, derandomize=True)

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
a_name = any_text.map(str.strip).filter(bool)
a_message = st.builds(
    Message, role=st.sampled_from(["system", "user", "assistant"]), content=any_text
)


@st.composite
def conversations(draw):
    messages = draw(st.lists(a_message, min_size=1, max_size=8))
    candidates = None
    if draw(st.booleans()):
        own = [m.content for m in messages if m.role == "assistant"]
        others = [f"no {number}" for number in range(19)]
        candidates = [draw(st.sampled_from([None, [*others, reply]])) for reply in own]
    return Conversation(
        person=draw(a_name),
        messages=messages,
        persona=draw(st.lists(any_text, max_size=3)),
        candidates=candidates,
        split=draw(st.sampled_from([None, "train", "valid", "test"])),
        conversation=draw(st.none() | a_name),
    )


def reading(text, **values):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "own.jsonl"
        path.write_text(text, encoding="utf-8", newline="")
        return raw(path, **values)


@seeded
@given(st.lists(conversations(), min_size=1, max_size=4))
def test_the_documented_format_goes_round(given_ones):
    assert reading("".join(one.line() + "\n" for one in given_ones)) == given_ones
    array = json.dumps([json.loads(one.line()) for one in given_ones], indent=1)
    assert reading(array) == given_ones


@seeded
@given(conversations())
def test_tidying_loses_no_word_of_the_person_and_alternates(conversation):
    tidied = tidy(conversation, data(longest=None), Tally(), "here")
    own = [m.content.strip() for m in conversation.messages if m.role == "assistant"]
    if tidied is None:
        assert not any(own)
        return
    roles = [role for role, _ in texts(tidied)]
    assert all(one != other for one, other in pairwise(roles))
    assert roles[-1] == "assistant"
    said = "\n".join(text for role, text in texts(tidied) if role == "assistant")
    assert said == "\n".join(text for text in own if text)
    assert tidy(tidied, data(longest=None), Tally(), "here") == tidied


@seeded
@given(conversations(), st.integers(20, 40))
def test_no_turn_is_too_long(conversation, longest):
    tidied = tidy(conversation, data(longest=longest), Tally(), "here")
    for _, text in texts(tidied) if tidied else ():
        assert 0 < len(text) <= longest


@seeded
@given(st.lists(conversations(), min_size=1, max_size=4))
def test_what_download_writes_is_what_tasks_reads(given_ones):
    tidied = [tidy(one, data(), Tally(), "here") for one in given_ones]
    kept = [one for one in tidied if one is not None]
    if not kept:
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "train.jsonl"
        path.write_text("".join(one.line() + "\n" for one in kept), encoding="utf-8", newline="")
        file = ConversationFile(path)
        assert file.persons == [one.person for one in kept]
        for one, dialogue in zip(kept, file, strict=True):
            own = [text for role, text in texts(one) if role == "assistant"]
            assert [exchange.reply for exchange in dialogue.exchanges] == own


@st.composite
def talks(draw):
    """Views of conversations between few people, named or not."""
    views = []
    for number in range(draw(st.integers(1, 25))):
        speakers = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True))
        name = f"c{number}" if len(speakers) > 2 or draw(st.booleans()) else None
        for person in speakers:
            said = [
                Message(
                    role="assistant" if speakers[turn % len(speakers)] == person else "user",
                    content=f"{number} {turn}",
                )
                for turn in range(6)
            ]
            views.append(Conversation(person=f"p{person}", messages=said, conversation=name))
    return views


@seeded
@given(talks(), st.integers(0, 5))
def test_no_person_and_no_conversation_is_in_two_splits(views, seed):
    census = Census()
    for view in views:
        census.add(view, view)
    try:
        placement = placed(census, SplitShares(seed=seed, valid=0.3, test=0.3))
    except DataError:
        return
    people, said, kept = {}, {}, Counter()
    for view, split in zip(views, placement.split, strict=True):
        if split is not None:
            kept[view.person] += split != "train"
            people.setdefault(view.person, set()).add(split)
            said.setdefault(view.messages[0].content, set()).add(split)
    assert all(len(splits) == 1 for splits in (*people.values(), *said.values()))
    assert {split for splits in people.values() for split in splits} == {"train", "valid", "test"}
    assert 1 not in kept.values()  # nothing could be held out while something else is the support


BEGINNINGS = (
    '{"person": "a", "messages": [',
    '[{"conversations": [{"from": "gpt", "value": "x"}]}, ',
    '{"train": [{"personality": ["x"], "utterances": [',
    '{"speaker": "a", "text": "x", "conversation_id": "c"}\n',
    "user 1 personas,user 2 personas,Best Generated Conversation\n",
    "1 your persona: x\n",
    "[13/02/2024, 21:15:00] Bo: x\n",
)


@seeded
@given(
    st.sampled_from(BEGINNINGS),
    st.text(max_size=200)
    | st.text('{}[]",:\\ \n\t0123456789abUser/-', max_size=200)
    | st.binary(max_size=100),
    st.booleans(),
)
def test_whatever_follows_is_read_or_refused_in_a_line(beginning, rest, skip_broken):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "corpus"
        end = rest if isinstance(rest, bytes) else rest.encode(errors="surrogatepass")
        path.write_bytes(beginning.encode() + end)
        said = ""
        try:
            survey(str(path), data(skip_broken=skip_broken))
        except PipelineError as error:
            said = str(error)
        assert said.isprintable()
        assert len(said) < 2000
