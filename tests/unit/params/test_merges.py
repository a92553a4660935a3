"""YAML's merges (`<<`): as they are meant, and not without end."""

import time

import pytest

from pipeline.params.yaml_text import MOST_VALUES, loaded


def test_merges_are_those_of_yaml():
    text = "a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: {<<: [*a, {x: 3, z: 3}]}\n"
    assert loaded(text) == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1, "z": 3}}


@pytest.mark.parametrize(
    "text",
    [
        "m0: &m0 {a: 1}\n"
        + "".join(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 3)}]}}\n" for n in range(1, 17)),
        f"m0: &m0 {{{', '.join(f'a{n}: 1' for n in range(3000))}}}\nm1: {{<<: [{'*m0, ' * 3000}]}}",
    ],
    ids=["deep", "wide"],
)
def test_merges_of_merges_are_bounded(text):
    began = time.monotonic()
    with pytest.raises(ValueError, match=f"its merges .* more than {MOST_VALUES:,} values"):
        loaded(text)
    assert time.monotonic() - began < 10
