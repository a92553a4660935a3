"""pytest in a fork of a process that has imported what takes seconds, and nothing of the project.

What is broken in the copy is so really imported: the parent has no module of the project but these.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn


_LIBRARIES = (
    "torch",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.masking_utils",
    "tokenizers",
    "safetensors.torch",
    "pydantic",
    "ruamel.yaml",
    "typer",
    "scipy.stats",
    "sklearn.feature_extraction.text",
    "sacrebleu",
    "httpx",
    "hypothesis",
    "pytest",
)
_OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=short"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # of what the parent has imported
)
_PATIENCE = 10.0  # seconds for a test to end by Ctrl-C


@dataclass
class Outcome:
    """What became of the test in one fork."""

    exit_code: int | None = None  # pytest's; None: it did not come to an end in time
    failed: str = ""  # node id of the first test that failed
    passed: int = 0
    skipped: int = 0


class _Recorder:
    """A plugin that writes down which tests ran and how they ended."""

    def __init__(self) -> None:
        self.outcome = Outcome()

    def pytest_runtest_logreport(self, report: Any) -> None:
        kind, when = report.outcome, report.when
        self.outcome.passed += kind == "passed" and when == "call"
        self.outcome.skipped += kind == "skipped"
        if kind == "failed" and not self.outcome.failed:
            self.outcome.failed = report.nodeid


def warm_up() -> None:
    """Import the libraries once."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in _LIBRARIES:
        importlib.import_module(name)


def run(test: str, root: Path, *, timeout: float) -> Outcome:
    """Run one test, or all of its parameters, in the tree `root`."""
    found, log = root / ".outcome.json", root / ".outcome.log"
    found.unlink(missing_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _become(test, root, found, log)
    deadline = time.monotonic() + timeout
    try:
        while not os.waitpid(child, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                _end(child)
                return Outcome()
            time.sleep(0.02)
    finally:
        with suppress(ProcessLookupError):  # the child, or what its test has started and left
            os.killpg(child, signal.SIGKILL)
    if not found.is_file():  # the test ended its own process
        return Outcome(exit_code=1, failed=test)
    return Outcome(**json.loads(found.read_text(encoding="utf-8")))


def _end(child: int) -> None:
    """End a test that takes too long by Ctrl-C, so that it ends what it has started; or at once."""
    os.kill(child, signal.SIGINT)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _become(test: str, root: Path, found: Path, log: Path) -> NoReturn:
    """Leave the parent behind: group, output, folder and modules. Run pytest, and end."""
    try:
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(root)
        sys.path[0] = str(root)
        for name in [n for n in sys.modules if n.split(".")[0] == "tests"]:
            del sys.modules[name]
        recorder = _Recorder()
        pytest = importlib.import_module("pytest")
        recorder.outcome.exit_code = int(pytest.main([test, *_OPTIONS], plugins=[recorder]))
        found.write_text(json.dumps(asdict(recorder.outcome)), encoding="utf-8")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
