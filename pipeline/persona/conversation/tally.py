"""What was left out of a corpus while it was read: how much, why, and where first."""

from dataclasses import dataclass, field

from pipeline.errors import DataError, one_line


MOST_NOTES = 20


@dataclass
class LeftOut:
    """How often something was left out, and where first."""

    count: int
    first: str


@dataclass
class Tally:
    """Counts of what was left out, by reason, and notes for the reader of the result.

    Attributes:
        skip_broken: whether a broken line is left out; else it is an error.
        by: what the user can say to have broken lines left out.
        left_out: by reason, in the order in which they came up.
        notes: what else should be known, each once.
    """

    skip_broken: bool = False
    by: str = "--skip-broken, data.skip_broken: true"
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, what: str, place: str, count: int = 1) -> None:
        """Count something that is left out; `place` is kept of the first."""
        if what in self.left_out:
            self.left_out[what].count += count
        else:
            self.left_out[what] = LeftOut(count, one_line(place))

    def broken(self, place: str, problem: str) -> None:
        """Leave a broken line out, if that is wished.

        Raises:
            DataError: it is not; the message names the line.
        """
        if not self.skip_broken:
            raise DataError(
                f"{one_line(place)}: {problem}; mend it, or leave broken lines out ({self.by})"
            )
        self.leave_out("broken lines", f"{place}: {problem}")

    def note(self, text: str) -> None:
        """Keep a note, if it is new and there are not too many."""
        if text not in self.notes and len(self.notes) < MOST_NOTES:
            self.notes.append(text)

    def counts(self) -> dict[str, int]:
        """Return the counts alone."""
        return {what: left.count for what, left in self.left_out.items()}
