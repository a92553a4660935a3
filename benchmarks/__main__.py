"""`python -m benchmarks`: measure, print the table, write `benchmarks/results.json`.

`MAMLVIAPP_BENCH_QUICK=PATH` runs everything once at toy size instead and writes to PATH.
"""

import os
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks import comparisons, peak
from benchmarks.comparisons import GPT2, SMALL, SMALL_VOCABULARY, Found
from benchmarks.dialogues import Size
from benchmarks.systems import OPTIONAL, names
from pipeline import artifacts


RESULTS = Path(__file__).with_name("results.json")
THREADS = 2


def _plan(
    small: Size, vocabulary: Size, large: Size, *, quick: bool
) -> list[Callable[[Found], None]]:
    few, many = (1, 1) if quick else (3, 7)
    c = comparisons
    return [
        lambda f: c.meta_step(f, small, many),
        lambda f: c.four_replies(f, small, many),
        lambda f: c.exact_over_plain(
            f, vocabulary, many, name="in_place.4x128.v2000", adapters=False
        ),
        lambda f: c.exact_over_plain(f, small, many, name="in_place.4x128.v50257", adapters=False),
        lambda f: c.exact_over_plain(f, small, many, name="extra_place.4x128", adapters=True),
        lambda f: c.one_pass(f, small, many),
        lambda f: c.candidate_ranking(f, small, many),
        lambda f: c.peak_memory(f, small, few),
        lambda f: c.meta_step(f, large, few),
        lambda f: c.candidate_ranking(f, large, 1),
        lambda f: c.peak_memory(f, large, few),
    ]


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def main() -> None:
    """Run every comparison."""
    out = Console()
    quick = os.environ.get("MAMLVIAPP_BENCH_QUICK")
    torch.set_num_threads(THREADS)
    sizes = (SMALL, SMALL_VOCABULARY, GPT2)
    if quick:
        sizes = (Size(1, 16, 2, 300), Size(1, 16, 2, 200), Size(1, 32, 2, 300))
    found = Found()
    for compare in _plan(*sizes, quick=bool(quick)):
        compare(found)
    missing = [name for name in OPTIONAL if name not in names()]
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "torch": torch.__version__,
        "matmul_peak_gflops": peak.matmul_peak() / 1e9,
    }
    ratios = {name: value.as_dict() for name, value in found.ratios.items()}
    content = asdict(found) | {"ratios": ratios, "machine": machine, "missing_rivals": missing}
    artifacts.write_json(Path(quick) if quick else RESULTS, content)
    out.print(_table(found))
    if missing:
        out.print(f"Not measured, not installed: {', '.join(missing)}; see benchmarks/README.md")


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
