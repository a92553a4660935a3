"""Run the campaigns, all or those whose name holds a WORD: `python -m tests.faults [WORD]`."""

import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.faults.registry import campaigns


SEED = 21


def main(words: list[str]) -> int:
    """Print a row of docs/reliability.md for each campaign; return 1 if anything was lost."""
    failed = False
    _say("| campaign | points | lost | recovery, s (median, most) |")
    _say("|---|---|---|---|")
    for campaign in campaigns():
        if words and not any(word in campaign.name for word in words):
            continue
        with TemporaryDirectory() as folder:
            outcome = campaign.run(Path(folder), campaign.points, SEED)
        times = outcome.seconds
        took = f"{median(times):.1f}, {max(times):.1f}" if times else "none needed"
        lost = len(outcome.lost)
        _say(f"| {campaign.name} | {outcome.points} | {lost or 'nothing'} | {took} |")
        sys.stderr.writelines(f"  {line}\n" for line in outcome.lost)
        failed = failed or bool(outcome.lost)
    return int(failed)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
