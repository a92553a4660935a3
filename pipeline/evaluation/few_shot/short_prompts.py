"""Prompts into which fewer than K dialogues fit: how many do, and which are not new. No torch.

A K whose prompts are those of a smaller K, or of none, is no result of its own: it is left out of
tables and tests, and named.
"""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from pipeline.errors import DataError
from pipeline.evaluation.few_shot.shots import IN_WORDS, PROMPTS, ShotSums, Way
from pipeline.evaluation.records.prompted import fit_words
from pipeline.evaluation.schemas.base import Count, Schema


class ShortPrompt(Schema):
    """A row's prompts at a K, where fewer dialogues fit on average."""

    row: str
    way: Way
    k: Count
    fitted: float = Field(ge=0)  # dialogues in the prompt, mean over replies
    same_as: Count | None  # the smaller K whose prompts these are, 0: of none; null: of none such
    conflict: float | None = None  # the setting of study `conflict`; absent from other studies


def short_prompts(rows: Mapping[str, ShotSums], conflict: float | None = None) -> list[ShortPrompt]:
    """Return the prompts of some rows that hold fewer than K dialogues on average."""
    setting = {} if conflict is None else {"conflict": conflict}
    return [
        ShortPrompt(
            row=name, way=way, k=k, fitted=fitted, same_as=row.same_prompts(way).get(k), **setting
        )
        for name, row in rows.items()
        for way in PROMPTS
        for k, fitted in sorted(row.fitted(way).items())
        if fitted < k
    ]


class Fit:
    """What tables say of the prompts of a study's rows."""

    def __init__(self, short: Sequence[ShortPrompt] | None) -> None:
        self._short = list(short or ())

    def words(self, row: str, k: int, way: Way, conflict: float | None = None) -> str:
        """Return ` (2.1 fit)` where fewer than K dialogues fit, else nothing."""
        for one in self._short:
            if _place(one) == (row, k, way, conflict):
                return fit_words(k, one.fitted)
        return ""

    def notes(self, name: str = "{}") -> list[str]:
        """Return a sentence on the counts, and one on what was left out; none where all fit.

        Args:
            name: how a row's name is written.
        """
        said = []
        left_out = [one for one in self._short if one.same_as is not None]
        if len(left_out) < len(self._short):
            said.append("(n fit): fewer dialogues than K fit into the prompt, n on average.")
        if left_out:
            named = "; ".join(_left_out(one, name) for one in left_out)
            said.append(f"Left out, for the prompts are those of a smaller K: {named}.")
        return said


def _place(one: ShortPrompt) -> tuple[str, int, Way, float | None]:
    return one.row, one.k, one.way, one.conflict


def _left_out(one: ShortPrompt, name: str) -> str:
    setting = "" if one.conflict is None else f"conflict {one.conflict:g}, "
    same = f"as at K = {one.same_as}" if one.same_as else "not a dialogue fits"
    return f"{setting}{name.format(one.row)}{IN_WORDS[one.way]}, K = {one.k}: {same}"


def refuse_silent(
    said: Iterable[ShortPrompt] | None, found: Iterable[ShortPrompt], result: object, command: str
) -> None:
    """Refuse a result that does not say which of its prompts are short, as older ones do not.

    Args:
        said: by the result.
        found: in the sums that it was made from.
        result: its file.
        command: makes it anew from what is kept.

    Raises:
        DataError: names the first prompts that it says nothing of, and the command.
    """
    told = {_place(one) for one in said or ()}
    for one in found:
        if _place(one) not in told:
            raise DataError(
                f"{result}: does not say that fewer than K dialogues fit into prompts "
                f"({one.row}, K = {one.k}{IN_WORDS[one.way]}: {one.fitted:.3g}); run "
                f"`python -m stages.{command}`"
            )
