"""Whether a file of predictions holds every reply of every setting, and none twice. No torch.

The records come person by person, as `finetune` writes them. So only one person's replies are in
memory, and a digest of each person's.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import chain, count
from typing import Any

from pipeline.errors import DataError, one_line
from pipeline.evaluation.records.prediction import Prediction


Block = tuple[str, int, str]  # split, training seed, persona
Setting = tuple[str, int, int]  # protocol, k, epoch
Reply = tuple[str, int]  # dialogue, turn


def _require_numbers(*values: Iterable[object]) -> None:
    """Raise a TypeError where a value is no whole number."""
    for value in chain(*values):
        if type(value) is not int:
            raise TypeError(f"{value!r} is no whole number")


class Completeness:
    """Takes a file's records one by one; complains at the first that cannot be right.

    Args:
        params: what `finetune` read: `seeds`, `finetune.epochs`, `finetune.k`, `finetune.cache`.
        origin: the file's name, for errors.
        remedy: what to do about it, for errors.

    Attributes:
        weights: of a cache; none: the records have no cache.
    """

    def __init__(self, params: Mapping[str, Any], origin: str, remedy: str) -> None:
        self.records = 0
        self._origin, self._remedy = origin, remedy
        try:
            self._seeds = list(params["seeds"])
            self._epochs = set(params["finetune"]["epochs"])
            self._shots = set(params["finetune"]["k"])
            by_k = params["finetune"].get("by_k", {})  # of this variant alone
            self.weights = list(params["finetune"].get("cache", []))
            self._own = {one["k"]: one["epochs"] for own in by_k.values() for one in own}
            _require_numbers(self._seeds, self._epochs, self._shots, self._own.values())
        except KeyError as error:
            raise DataError(f"{origin}: its identity lacks {error}; {remedy}") from error
        except (TypeError, AttributeError) as error:
            raise DataError(
                f"{origin}: its identity's params are not as finetune writes them "
                f"({one_line(error)}); {remedy}"
            ) from error
        self._block: Block | None = None
        self._replies: dict[Setting, set[Reply]] = {}
        self._digests: dict[tuple[str, str], dict[int, bytes]] = {}  # of a persona, by seed

    def add(self, record: Prediction) -> None:
        """Take the next record.

        Raises:
            DataError: it is there twice, or the persona before it lacks replies.
        """
        self.records += 1
        block = (record.split, record.seed, record.task_id)
        if block != self._block:
            self._close()
            if record.seed in self._digests.get((record.split, record.task_id), {}):
                raise self._error(f"the records of {self._named(block)} stand in two places")
            self._block = block
        setting = (record.protocol, record.k, record.epoch)
        replies = self._replies.setdefault(setting, set())
        reply = (record.dialogue_id, record.turn)
        if reply in replies:
            raise self._error(f"{self._place(setting, reply)} is there twice")
        replies.add(reply)

    def end(self) -> None:
        """Say that all records have come.

        Raises:
            DataError: there are none; the last persona lacks replies; or one lacks a seed.
        """
        self._close()
        if not self.records:
            raise self._error("no records")
        for (split, persona), by_seed in self._digests.items():
            missing = [seed for seed in self._seeds if seed not in by_seed]
            foreign = [seed for seed in by_seed if seed not in self._seeds]
            if missing or foreign:
                what = f"lacks training seed {missing[0]}" if missing else f"has seed {foreign[0]}"
                raise self._error(f"{one_line(persona)} ({split}) {what}, of {self._seeds}")
            if len(set(by_seed.values())) > 1:
                raise self._error(
                    f"{one_line(persona)} ({split}) has other replies for one seed than for another"
                )

    def _close(self) -> None:
        """Check the persona whose last record has come."""
        if self._block is None:
            return
        for setting, replies in self._replies.items():
            if setting[0] != "in_context":  # there, K is what fits before each reply
                self._check_turns(setting, replies)
        self._check_settings()
        split, seed, persona = self._block
        self._digests.setdefault((split, persona), {})[seed] = self._digest()
        self._replies = {}

    def _check_turns(self, setting: Setting, replies: set[Reply]) -> None:
        """Check that each dialogue's replies are numbered from 0 on without a gap."""
        last: dict[str, int] = {}
        for dialogue, turn in replies:
            last[dialogue] = max(turn, last.get(dialogue, 0))
        if sum(last.values()) + len(last) == len(replies):
            return
        # The first that is missing: a number of 13 digits is not counted up to.
        first = {d: next(t for t in count() if (d, t) not in replies) for d in last}
        gap = min((d, t) for d, t in first.items() if t < last[d])
        raise self._error(f"{self._place(setting, gap)} is missing")

    def _check_settings(self) -> None:
        """Check that the settings of a protocol are all there and score the same replies."""
        for protocol in ("leave_one_out", "swap", "k_shot", "k_shot_swap"):
            own = {s: replies for s, replies in self._replies.items() if s[0] == protocol}
            if not own:
                continue
            every = set[Reply]().union(*own.values())
            for setting in self._expected(protocol, own):
                missing = every - own.get(setting, set())
                if missing:
                    raise self._error(f"{self._place(setting, min(missing))} is missing")

    def _expected(self, protocol: str, own: Mapping[Setting, object]) -> list[Setting]:
        """Return the settings that a persona must have; of all it has, those that it may not."""
        on_valid = self._block is not None and self._block[0] == "valid"
        if protocol == "k_shot" and on_valid:  # counted by a cache, not adapted to
            return sorted((protocol, k, 0) for _, k, _ in own)
        shots = self._shots if protocol.startswith("k_shot") else {k for _, k, _ in own}
        zero = {(protocol, 0, 0)} & {(protocol, k, 0) for k in shots}
        if protocol == "k_shot_swap":  # a stranger's none is the person's own none
            zero = set()
        expected = zero | {(protocol, k, e) for k in shots if k for e in self._of(protocol, k)}
        foreign = set(own) - expected
        if foreign:
            setting = min(foreign)
            raise self._error(
                f"{self._named(self._block)}: K {setting[1]} at epoch {setting[2]} ({protocol}) "
                f"is none of K {sorted(self._shots)} and epochs {sorted(self._epochs)}"
            )
        return sorted(expected)

    def _of(self, protocol: str, k: int) -> set[int]:
        """Return the epochs that a setting has: of a K with its own number the last alone."""
        own = self._own.get(k) if protocol.startswith("k_shot") else None
        return self._epochs if own is None else {own}

    def _digest(self) -> bytes:
        content = sorted((s, sorted(replies)) for s, replies in self._replies.items())
        return sha256(repr(content).encode()).digest()

    def _place(self, setting: Setting, reply: Reply) -> str:
        protocol, k, epoch = setting
        where = f"{self._named(self._block)}, {one_line(reply[0])}, turn {reply[1]}"
        return f"{where} ({protocol}, K {k}, epoch {epoch})"

    @staticmethod
    def _named(block: Block | None) -> str:
        if block is None:
            return "nobody"
        split, seed, persona = block
        return f"{one_line(persona)} ({split}, seed {seed})"

    def _error(self, what: str) -> DataError:
        return DataError(f"{self._origin}: {what}; {self._remedy}")
