"""Reading of a corpus in tests."""

from pathlib import Path

from pipeline.params import Data, People, Synthetic
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.conversation.tidy import tidy
from pipeline.persona.readers.recognise import recognised


def data(**values) -> Data:
    people = People(train=1, valid=1, test=1)
    synthetic = Synthetic(seed=0, people=people, dialogues=1, pretrain_lines=1)
    given = {"source": "synthetic", "sha256": None, "pretrain": None, "pretrain_sha256": None}
    return Data.model_validate(given | {"synthetic": synthetic} | values)


def raw(path: Path | str, tally: Tally | None = None, **values) -> list[Conversation]:
    """Return the conversations as the reader finds them."""
    tally = tally or Tally(skip_broken=bool(values.get("skip_broken")))
    source = recognised(str(path), tally)
    return [found.conversation for found in source.read(data(**values), tally)]


def tidied(path: Path | str, tally: Tally | None = None, **values) -> list[Conversation]:
    """Return the conversations as the model gets them."""
    tally = tally or Tally(skip_broken=bool(values.get("skip_broken")))
    made = [tidy(one, data(**values), tally, "here") for one in raw(path, tally, **values)]
    return [one for one in made if one is not None]


def texts(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in conversation.messages]
