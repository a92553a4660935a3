"""Values of kinds that YAML has and JSON lacks: DVC ended in a traceback on them."""

import pytest

from pipeline.errors import ParamsError
from pipeline.params.edit import with_values
from pipeline.params.yaml_text import KindError, loaded


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: {revision: 2024-07-26}", r"base\.revision is .*2024, 7, 26.*, of the kind date"),
        ("a: 2024-07-26 10:00:00", r"a is .*2024, 7, 26.*, of the kind datetime"),
        ("seeds: !!set {0}", r"seeds is \{0\}, of the kind set"),
        ("steps: !!binary aGk=", r"steps is b'hi', of the kind bytes"),
        ("a: {b: [1, !!pairs [x: 1]]}", r"a\.b\.1\.0 is \('x', 1\), of the kind tuple"),
        ("2024-07-26", r"the value is .*, of the kind date"),
    ],
)
def test_a_value_that_json_lacks_is_named(text, said):
    with pytest.raises(KindError, match=said):
        loaded(text)


def test_what_json_has_is_read():
    text = "a: {b: [1, 0.5, x, '2024-07-26', true, null], 3: {}, c: !!omap [x: 1]}"
    assert loaded(text)["a"]["b"] == [1, 0.5, "x", "2024-07-26", True, None]


def test_set_says_what_was_given():
    with pytest.raises(ParamsError, match=r"--set a=2024-07-26: the value is .* \(quote a text\)"):
        with_values("a: 1\n", ["a=2024-07-26"])
