"""What the numbers or replies of a command that is no stage were made from. No torch.

`shots`, `replies`, `support` and `zero_shot` write it into their files. DVC does not know these
files, so they outlive the models that made them: after a change of `params.yaml` and while models
are trained again, only the file itself can tell which parameters made it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import DataError, one_line
from pipeline.evaluation.schemas.base import Schema
from pipeline.evaluation.schemas.made_from import (
    Belonging,
    again,
    belongs_elsewhere,
    models_of,
    of_variant,
)
from pipeline.params.sections.section import StageParams
from pipeline.params.stated import Made, difference


_ROOM = "max_new_tokens"  # of section `generate`: kept free, so that fewer dialogues fit
_CONTROLS = ("cache", "in_context", "k_shot_swap", "other_texts")  # keys of section `finetune`


class AdaptedFrom(Schema):
    """What the numbers or replies of a command that is no stage were made from."""

    variant: str
    params: dict[str, Any]  # what adaptation read, the variant's own `set` in force
    base: str  # models/base
    models: dict[int, str]  # models/VARIANT/seed-SEED, by training seed; none: φ itself
    tasks: str | None  # data/tasks; null: of other people
    # What made base, tasks and models, by key of params.yaml; older files lack it.
    made_with: dict[str, Any] | None = None

    @classmethod
    def of(
        cls,
        variant: str,
        params: StageParams,
        read: Mapping[Path, str],
        seeds: Iterable[int],
        made_with: dict[str, Any],
    ) -> "AdaptedFrom":
        """Return it of a command that has `read` these paths, with their digests."""
        models = {seed: artifacts.model_dir(variant, seed) for seed in seeds}
        return cls(
            variant=variant,
            params=params.model_dump(mode="json"),
            base=read[artifacts.BASE],
            models={seed: read[path] for seed, path in models.items() if path in read},
            tasks=read.get(artifacts.TASKS),
            made_with=made_with,
        )


def adapted(file: Path, command: str, said: AdaptedFrom | None, name: str) -> Belonging:
    """Return what a file of a command that is no stage belongs to; an older one says nothing.

    Raises:
        DataError: it is of another variant than `name`.
    """
    if said is None:
        return Belonging(file, command, {}, is_stage=False)
    own = {artifacts.BASE: said.base} | models_of(said.variant, said.models)
    own |= {artifacts.TASKS: said.tasks} if said.tasks else {}
    return of_variant(Belonging(file, command, own, is_stage=False), name, said.variant)


def made_of_adapted(
    file: Path,
    command: str,
    said: AdaptedFrom | None,
    also: Iterable[str] = (),
    controls: Iterable[str] = (),
) -> list[Made]:
    """Return what a file of a command that is no stage was made with; an older one says nothing.

    Args:
        file: which.
        command: makes it.
        said: what it says.
        also: keys of params.yaml that matter to it, besides those of every adaptation.
        controls: keys of section `finetune` that matter to it, of those that say what else is
            scored.
    """
    if said is None:
        return []
    more = {key: said.params[key] for key in also if key in said.params}
    values = adapting(said, controls) | more
    told = {key: value for key, value in values.items() if value is not None}
    return [Made(file, {**(said.made_with or {}), **told}, said.variant, command=command)]


def is_untold(said: AdaptedFrom | None, root: Path) -> bool:
    """Say whether neither an older file nor a model that is there says what trained its models.

    Such a file is taken as it is: to refuse it would be to lose every run of an older version
    whose models were deleted to save room. Whoever shows or keeps it says so.

    Args:
        said: what the file says.
        root: the run's folder.
    """
    if said is None:
        return True
    models = models_of(said.variant, said.models)
    return said.made_with is None and not any((root / model).is_dir() for model in models)


def refuse_other_adaptation(
    file: Path,
    command: str,
    said: AdaptedFrom | None,
    now: AdaptedFrom,
    controls: Iterable[str] = (),
) -> None:
    """Refuse to add numbers, made from `now`, to a file of another model or way to adapt.

    What made base, tasks and models is not compared: their digests are, and each of these folders
    has its own record in it. `controls` are as in `made_of_adapted`.

    Raises:
        DataError: names the file, what differs, and the `command` that makes the file anew.
    """
    belongs = adapted(file, command, said, now.variant)
    if said is None:
        raise DataError(f"{file}: does not say which model made it; {again(belongs)}")
    if found := difference(adapting(said, controls), adapting(now, controls)):
        key, then, today = found
        raise DataError(
            f"{file}: made with {key} {one_line(then)}, now it is {one_line(today)}; "
            f"{again(belongs)}, or put the value back"
        )
    there = adapted(file, command, now, now.variant).digests
    for path in belongs.digests:
        if belongs.digests[path] != there[path]:
            raise belongs_elsewhere(belongs, path, f"now it is {there[path][:12]}…")


def adapting(said: AdaptedFrom, controls: Iterable[str] = ()) -> dict[str, Any]:
    """Return the parameters without those that say what else is scored, but these `controls`."""
    finetune = said.params.get("finetune")
    values = finetune if isinstance(finetune, dict) else {}
    dropped = {*_CONTROLS} - {*controls}
    kept = {key: value for key, value in values.items() if key not in dropped}
    generate = said.params.get("generate")
    told = generate if isinstance(generate, dict) and _ROOM in generate else {}
    room = {"generate": {_ROOM: told[_ROOM]}} if told else {}
    return {"seeds": said.params.get("seeds"), "finetune": kept, **room}
