"""`python -m benchmarks [NAME...]`: measure, print the table, write `benchmarks/results.json`.

With names, of those that a run prints, only these are measured; the others' results stay.

`MAMLVIAPP_BENCH_QUICK=PATH` runs everything once at toy size instead and writes to PATH.
"""

import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import comparisons, peak, real_shape
from benchmarks.comparisons import GPT2, SMALL, SMALL_VOCABULARY
from benchmarks.dialogues import Size
from benchmarks.found import Found
from benchmarks.systems import OPTIONAL, names
from pipeline import artifacts


RESULTS = Path(__file__).with_name("results.json")
THREADS = 2
MEMORY_SHARE = 0.9  # of the machine's, for what is measured in this process

Compare = Callable[[Found], None]


def _plan(small: Size, vocabulary: Size, large: Size, *, quick: bool) -> dict[str, Compare]:
    shape = real_shape.Shape(3, 24, 32, 3, 1, 300) if quick else real_shape.Shape()
    few, many = (1, 1) if quick else (3, 7)
    c = comparisons
    return {
        "meta_step.small": lambda f: c.meta_step(f, small, many),
        "two_tasks.small": lambda f: c.two_tasks(f, small, many),
        "four_replies.small": lambda f: c.four_replies(f, small, many),
        "exact_over_plain.in_place.4x128.v2000": lambda f: c.exact_over_plain(
            f, vocabulary, many, name="in_place.4x128.v2000", adapters=False
        ),
        "exact_over_plain.in_place.4x128.v50257": lambda f: c.exact_over_plain(
            f, small, many, name="in_place.4x128.v50257", adapters=False
        ),
        "exact_over_plain.extra_place.4x128": lambda f: c.exact_over_plain(
            f, small, many, name="extra_place.4x128", adapters=True
        ),
        "one_pass.small": lambda f: c.one_pass(f, small, many),
        "many_personas.small": lambda f: c.many_personas(f, small, many),
        "candidate_ranking.small": lambda f: c.candidate_ranking(f, small, many),
        "peak_memory.small": lambda f: c.peak_memory(f, small, few),
        "inner_steps.small": lambda f: c.inner_steps(f, small),
        "meta_step.large": lambda f: c.meta_step(f, large, few),
        "two_tasks.large": lambda f: c.two_tasks(f, large, few),
        "four_replies.large": lambda f: c.four_replies(f, large, few),
        "candidate_ranking.large": lambda f: c.candidate_ranking(f, large, 1),
        "peak_memory.large": lambda f: c.peak_memory(f, large, 1),
        "real_shape.products": lambda f: real_shape.products(f, shape),
        "real_shape": lambda f: real_shape.measure(f, shape, few),
    }


def _limit_memory() -> None:
    """Let an allocation that the machine has no memory for fail, so that the rest is measured."""
    if sys.platform != "linux":
        return
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_AS, (int(MEMORY_SHARE * total),) * 2)


def _measure(found: Found, plan: Mapping[str, Compare], out: Console, path: Path) -> None:
    """Compare one after the other, write after each; one that fails is named."""
    for name, compare in plan.items():
        begin = time.perf_counter()
        found.failed.pop(name, None)
        try:
            compare(found)
        except Exception as error:  # hours of measuring must not be lost by what comes last
            found.failed[name] = f"{type(error).__name__}: {str(error)[:200]}"
        found.took[name] = time.perf_counter() - begin
        out.print(f"{name}: {found.took[name]:.0f} s")
        artifacts.write_json(path, found.as_dict() | _machine())


def _machine() -> dict[str, object]:
    missing = [name for name in OPTIONAL if name not in names()]
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "torch": torch.__version__,
        "matmul_peak_gflops": peak.matmul_peak() / 1e9,
    }
    return {"machine": machine, "missing_rivals": missing}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def main() -> None:
    """Run the comparisons; exit code 1 if something of ours could not be compared."""
    out = Console()
    wanted = sys.argv[1:]
    quick = os.environ.get("MAMLVIAPP_BENCH_QUICK")
    torch.set_num_threads(1 if quick else THREADS)  # tests run beside one another
    _limit_memory()
    sizes = (SMALL, SMALL_VOCABULARY, GPT2)
    if quick:
        sizes = (Size(1, 16, 2, 300), Size(1, 16, 2, 200), Size(1, 32, 2, 300))
    path = Path(quick) if quick else RESULTS
    plan = _plan(*sizes, quick=bool(quick))
    if unknown := [name for name in wanted if name not in plan]:
        sys.exit(f"benchmarks: no comparison {unknown[0]!r}; choose among {', '.join(plan)}")
    found = Found.read(path) if wanted else Found()
    plan = {name: plan[name] for name in wanted or plan}
    _measure(found, plan, out, path)
    out.print(_table(found))
    for name, why in found.failed.items():
        out.print(f"Failed: {name}: {why}", markup=False)
    for name, far in found.wrong.items():
        out.print(f"Another gradient, not timed: {name}, relative distance {far:.1e}")
    if missing := [name for name in OPTIONAL if name not in names()]:
        out.print(f"Not measured, not installed: {', '.join(missing)}; see benchmarks/README.md")
    sys.exit(1 if found.failed.keys() & plan.keys() else 0)


def _table(found: Found) -> Table:
    table = Table("ratio", "median", "quartiles", "rounds")
    for name, value in found.ratios.items():
        quartiles = f"{value.low:.2f} to {value.high:.2f}"
        table.add_row(name, f"{value.median:.2f}", quartiles, str(value.n))
    for name, seconds in found.seconds.items():
        share = found.share_of_peak[name]
        table.add_row(name, f"{seconds:.3f} s", f"{share:.0%} of the peak", "")
    for name, mib in found.memory_mib.items():
        table.add_row(f"memory.{name}", f"{mib:.0f} MiB", "", "")
    return table


if __name__ == "__main__":
    main()
