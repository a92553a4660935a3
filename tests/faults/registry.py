"""The list of campaigns, and what one of them reports."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path


# Modules that register campaigns. To add a stage: a module beside these, its name here.
MODULES = ("data_stages", "compute_stages", "machine", "damage", "under_dvc")


@dataclass
class Outcome:
    """What a campaign saw.

    `lost` has a line for each out that differs, file that is left, or message that is no line;
    `seconds` are those of each recovery: the same command again, from its start to its end.
    """

    points: int = 0
    lost: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Campaign:
    """One kind of fault in one stage."""

    name: str
    run: Callable[[Path, int, int], Outcome]  # an empty folder, the number of points, the seed
    points: int  # in `make faults`
    quick: int  # in `make test`; 0: left out


_CAMPAIGNS: list[Campaign] = []


def campaign(name: str, *, points: int, quick: int) -> Callable[..., Callable[..., Outcome]]:
    """Register a function as a campaign."""

    def registered(run: Callable[[Path, int, int], Outcome]) -> Callable[..., Outcome]:
        _CAMPAIGNS.append(Campaign(name, run, points, quick))
        return run

    return registered


def campaigns() -> list[Campaign]:
    """Return all campaigns, in the order of MODULES."""
    for module in MODULES:
        import_module(f"tests.faults.{module}")
    return list(_CAMPAIGNS)
