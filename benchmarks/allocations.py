"""Memory as torch's allocator sees it: every allocation and release on the CPU, to the byte.

Unlike the resident set it knows nothing of pages, libraries or what was freed but kept, so that
two runs can be compared that differ by one inner step.
"""

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile


def peak_bytes(run: Callable[[], object]) -> int:
    """Return how far one call raises the allocated bytes above what they were before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    assert profiler.profiler is not None
    assert profiler.profiler.kineto_results is not None
    changes = [
        (event.start_ns(), event.nbytes())
        for event in profiler.profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    total = highest = 0
    for _, change in sorted(changes, key=lambda pair: pair[0]):  # same instant: as they came
        total += change
        highest = max(highest, total)
    return highest
