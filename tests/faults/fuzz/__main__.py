"""Fuzz a target: `python -m tests.faults.fuzz TARGET --seconds 600 [--seed N]`.

With the package `atheris` (no dependency of this project; `pip install atheris`) libFuzzer guides
the mutations, else the loop of `loop.py`.
"""

import argparse
import os
import resource
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic


ROOM = 3 << 30  # bytes of address space for the inputs, beyond what the imports take
INSTRUMENTED = ["pipeline", "ruamel", "tarfile", "gzip", "h11", "gguf"]


def main(arguments: list[str]) -> int:
    """Print what was found, and the figures of a row of docs/reliability.md."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=21)
    given = parser.parse_args(arguments)
    guided = find_spec("atheris") is not None
    if guided:
        import atheris

        with atheris.instrument_imports(include=INSTRUMENTED):
            target = _named(given.target)
    else:
        target = _named(given.target)
    with TemporaryDirectory(prefix="fuzz-", dir=_quick_place()) as folder:
        run = Run(target, Path(folder) / "folder", given.seconds)
        _bound_memory()
        (_by_libfuzzer if guided else _by_loop)(run, target, given)
    return int(bool(run.found))


def _named(name: str) -> object:
    """Import the target's code now, which may be within a block that instruments it."""
    from tests.faults.fuzz.all import named

    return named(name)


def _quick_place() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _bound_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


class Run:
    """One run of one target.

    Attributes:
        executions: how many inputs were tried.
        found: an input for each complaint, by the complaint's first words.
    """

    def __init__(self, target: object, folder: Path, seconds: float) -> None:
        self.target, self.folder = target, folder
        self.end = monotonic() + seconds
        self.began = monotonic()
        self.executions = 0
        self.found: dict[str, bytes] = {}

    def one(self, content: bytes) -> None:
        """Try an input; say what is found for the first time."""
        from tests.faults.fuzz.target import complaint

        self.folder.mkdir()
        try:
            said = complaint(self.target, content, self.folder)  # type: ignore[arg-type]
        finally:
            shutil.rmtree(self.folder)
        self.executions += 1
        if said is not None and (key := said[:60]) not in self.found:
            self.found[key] = content
            _say(f"found: {said}\n  by {content[:400]!r}")

    def summary(self) -> None:
        """Say the figures."""
        took = monotonic() - self.began
        name = self.target.name  # type: ignore[attr-defined]
        _say(f"| {name} | {self.executions} | {took:.0f} | {len(self.found)} |")


def _by_libfuzzer(run: Run, target: object, given: argparse.Namespace) -> None:
    import atheris

    corpus = run.folder.parent / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds()):  # type: ignore[attr-defined]
        (corpus / f"seed{number}").write_bytes(seed)
    words = run.folder.parent / "words"
    quoted = ["".join(f"\\x{byte:02x}" for byte in word) for word in target.words]  # type: ignore[attr-defined]
    words.write_text("".join(f'"{word}"\n' for word in quoted), encoding="ascii")
    ended = [False]

    def one(content: bytes) -> None:
        if monotonic() > run.end:
            if not ended[0]:
                ended[0] = True
                run.summary()
            os.kill(os.getpid(), 15)
            return
        run.one(content)

    options = [f"-seed={given.seed}", f"-max_total_time={given.seconds + 30:.0f}", "-timeout=60"]
    options += [f"-dict={words}"] if quoted else []
    options += ["-rss_limit_mb=6000", "-max_len=20000", str(corpus)]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


def _by_loop(run: Run, target: object, given: argparse.Namespace) -> None:
    from tests.faults.fuzz.loop import guided

    guided(run.one, target, run.end, given.seed)  # type: ignore[arg-type]
    run.summary()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
