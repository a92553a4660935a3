"""What is no strict JSON is refused in a time that grows with the text alone."""

import time

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.persona.conversation.record import Conversation
from pipeline.strict_json import MANY, first_problem, strict_loads


def test_a_key_that_is_there_twice_is_found_in_one_pass():
    """Counting every key again took 18 seconds for 200 kB, and hours for 4 MB."""
    keys = ", ".join(f'"k{number}": 0' for number in range(300_000))
    began = time.process_time()
    with pytest.raises(ValueError, match="the key 'k299999' is there twice"):
        strict_loads(f'{{{keys}, "k299999": 1}}'.encode())
    assert time.process_time() - began < 20


def test_the_first_key_that_comes_again_is_named():
    with pytest.raises(ValueError, match="the key 'b' is there twice"):
        strict_loads(b'{"a": 1, "b": 2, "b": 3, "a": 4}')


def test_a_million_errors_are_counted_and_not_told_one_by_one():
    """A list of 3 MB took 2 GB, for each error's own words."""
    few, many = (["x"] * number for number in (3, MANY + 1))
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[int]).validate_python(few)
    assert first_problem(caught.value).startswith("0: Input should be a valid integer")
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[int]).validate_python(many)
    assert (
        first_problem(caught.value)
        == "10001 values that should not be there, or are of another kind"
    )


def test_a_conversation_is_read_up_to_its_first_error():
    with pytest.raises(ValidationError) as caught:
        Conversation.model_validate({"person": "a", "messages": [{}] * 1000, "persona": [1] * 1000})
    assert caught.value.error_count() <= 3
