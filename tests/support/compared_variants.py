"""Variants' records with a known difference between them, for the tests of comparisons."""

from pipeline.evaluation.comparison.levels import compare_levels
from tests.support.prediction_builder import full


def variant(shift=0.0, *, personas=10, hit=True, **changes):
    """Replies of 4 tokens; a persona's NLL varies, `shift` nats per token is added."""
    return [
        full(
            hit=hit,
            response="i like dogs",
            task_id=f"p{person:02d}",
            nll=person + 4 * (shift + 0.01 * shift * person),
            **changes,
        )
        for person in range(personas)
    ]


def compare(*args, **options):
    """What the file holds."""
    return compare_levels(*args, **options).content()


def first_of_each(found):
    """The tests of the first pair, by metric."""
    return {test["metric"]: test for test in reversed(found["tests"])}
