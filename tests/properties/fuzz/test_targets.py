"""Each target of tests/faults/fuzz, with inputs that Hypothesis changes; what was found before."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.fuzz.all import NAMES, named
from tests.faults.fuzz.target import Target, complaint


LIGHT, HEAVY = 40, 5  # examples; those of a model are built with torch, or rendered by a process
SLOW = NAMES["model_targets"] + ("outs", "predictions", "http")
ALL = [name for names in NAMES.values() for name in names]


@st.composite
def changed(draw, target: Target) -> bytes:
    content = draw(st.sampled_from(target.seeds()))
    words = st.sampled_from([*target.words, b""]) | st.binary(max_size=8)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        end = place + draw(st.integers(0, 40))
        content = content[:place] + draw(words) + content[end:]
    return content


def said_of(target: Target, content: bytes) -> str | None:
    with TemporaryDirectory() as folder:
        return complaint(target, content, Path(folder))


@pytest.mark.parametrize("name", ALL)
def test_any_change_of_an_input_is_read_or_refused_in_a_line(name):
    target = named(name)

    @settings(
        max_examples=HEAVY if name in SLOW else LIGHT,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(changed(target))
    def tried(content: bytes) -> None:
        assert said_of(target, content) is None

    tried()


@pytest.mark.parametrize("name", ALL)
def test_the_seeds_are_fit_to_begin_with(name):
    """One at least is read, so that mutations of it go deep."""
    target = named(name)
    read = 0
    for content in target.seeds():
        with TemporaryDirectory() as folder:
            try:
                target.read(content, Path(folder))
                read += 1
            except Exception:
                continue
    assert read
