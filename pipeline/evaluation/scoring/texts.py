"""Is the persona text in the prompt read, and how much of its worth do K dialogues recover?

All numbers are in nats per token, closing token counted, means over personas, on the same replies.

- stranger: NLL with a stranger's text minus NLL with the person's own; above 0: the text is read.
- worth: NLL without a text minus NLL with the person's own, by the same θ.
- recovered: gain of K dialogues without text / worth at K = 0, for a variant without persona text.
  Both are sums over personas. Null unless the worth's interval lies above 0.

No torch.
"""

from collections.abc import Sequence

from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.records.overview import Overview
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.details import Recovered, Texts, TextVerdict, TextWorth
from pipeline.evaluation.scoring.differences import SharedReplies, share
from pipeline.evaluation.scoring.person import Person, Records
from pipeline.evaluation.statistics.bootstrap import Bootstrap


class TextSums:
    """Table 1's queries behind other persona texts; persons come one at a time."""

    def __init__(self, overview: Overview) -> None:
        self._epochs = sorted({0, overview.headline})
        self._headline = overview.headline
        pair = (nats_per_token, nats_per_token)
        self._stranger, self._none, self._own = (
            {epoch: SharedReplies(pair, overview.seeds) for epoch in self._epochs} for _ in range(3)
        )
        self._recovered = RecoveredSums(overview.seeds)

    def add(self, person: Person) -> None:
        """Add a person."""
        for epoch in self._epochs:
            read = person.select("leave_one_out", epoch=epoch)
            self._stranger[epoch].add(person, _supported(person, "text_stranger", epoch), read)
            self._none[epoch].add(person, _supported(person, "text_none", epoch), read)
            self._own[epoch].add(person, read, _supported(person, "text_own", epoch))
        self._recovered.add(
            person,
            person.select("leave_one_out", epoch=0),
            person.select("leave_one_out", epoch=self._headline),
            _supported(person, "text_own", 0),
        )

    def estimates(self, bootstrap: Bootstrap) -> Texts | None:
        """Return what the texts are worth; null where no other text was tried."""
        stranger = self._worth(self._stranger, bootstrap)
        worth = self._worth(self._none, bootstrap) or self._worth(self._own, bootstrap)
        if stranger is None and worth is None:
            return None
        return Texts(
            stranger=stranger,
            worth=worth,
            read=None if stranger is None else _read(stranger),
            recovered=self._recovered.estimates(bootstrap),
        )

    def _worth(self, by_epoch: dict[int, SharedReplies], bootstrap: Bootstrap) -> TextWorth | None:
        if not by_epoch[0].names:
            return None
        before, after = (
            by_epoch[epoch].fall("worth of the text", 0, 1, bootstrap)
            for epoch in (0, self._headline)
        )
        return TextWorth(before=before, after=after)


class RecoveredSums:
    """The part of the text's worth that dialogues recover; persons come one at a time."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._shared = SharedReplies((nats_per_token,) * 3, seeds)

    def add(self, person: Person, before: Records, after: Records, with_text: Records) -> None:
        """Add a person: unadapted and fine-tuned without text, unadapted with the own text."""
        self._shared.add(person, before, after, with_text)

    def estimates(self, bootstrap: Bootstrap) -> Recovered | None:
        """Return the share and its denominator; null where the text was not tried."""
        if not self._shared.names:
            return None
        before, after, with_text = self._shared.values()
        name = "worth of the persona text"
        return Recovered(
            share=share(before - after, before - with_text, name, bootstrap),
            worth=self._shared.fall(name, 0, 2, bootstrap),
        )


def _supported(person: Person, protocol: str, epoch: int) -> list[Prediction]:
    """Return the records of Table 1's queries: those of Fig. 3 have no support."""
    return [r for r in person.records if (r.protocol, r.epoch) == (protocol, epoch) and r.k]


def _read(stranger: TextWorth) -> TextVerdict:
    """Say whether the unadapted model reads the text."""
    low, high = stranger.before.low, stranger.before.high
    if low is not None and low > 0:
        return "read"
    if high is not None and high < 0:
        return "a stranger's is better"
    return "not distinguishable from not read"
