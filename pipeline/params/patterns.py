"""Parameters that name tensors: by their names, or by patterns with `*` and `?`."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from pipeline.errors import ParamsError


def matching(names: Iterable[str], patterns: Sequence[str] | None, key: str) -> list[str]:
    """Return the names that some pattern matches, in their order; all names without patterns.

    Args:
        names: of tensors.
        patterns: what `key` holds.
        key: of params.yaml, for the error.

    Raises:
        ParamsError: a pattern matches no name.
    """
    names = list(names)
    if patterns is None:
        return names
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ParamsError(
                f"{key}: {pattern!r} matches no tensor of this variant's θ; "
                f"its tensors are {', '.join(names[:4])}, ..."
            )
    return [name for name in names if any(fnmatchcase(name, p) for p in patterns)]
