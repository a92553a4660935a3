"""What is no strict JSON is refused in a time that grows with the text alone."""

import time

import pytest

from pipeline.strict_json import strict_loads


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
