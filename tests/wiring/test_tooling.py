"""The commands in the documents exist, the lock is one, and no machine shows through."""

import os
import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.wiring.closure import ROOT


# No registry's host or option; no folder that exists on one machine only.
REGISTRIES = "|".join(
    (r"pypi\.org", r"pythonhosted\.org", r"pytorch\.org/whl", r"npmjs\.", "--(extra-)?index-[u]rl")
)
MACHINE_PATHS = r"(?<![\w.:/-])/(work|home|root|Users|opt|mnt|srv)/\w"
CREDENTIALS = r"ghp_\w{20}|hf_[A-Za-z]{20}|BEGIN [A-Z ]*PRIVATE KEY"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", text("Makefile"), flags=re.MULTILINE))


def make_commands(document: str) -> set[str]:
    """Return the targets that a document tells its reader to make."""
    commands = re.findall(r"(?:^|`|run: |exec )make\s+([a-z]+(?: [a-z]+)*)", document, re.MULTILINE)
    return {target for command in commands for target in command.split()}


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, text=True, capture_output=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def locked() -> dict[str, str]:
    lines = [line for line in text("requirements.lock").splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", ".ci/run", ".github/workflows/ci.yml"]
)
def test_every_make_command_in_the_documents_exists(document):
    commands = make_commands(text(document))
    assert commands
    assert commands <= targets()


def test_every_target_is_phony_and_explained():
    phony = re.search(r"^\.PHONY: (.*)$", text("Makefile"), flags=re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets()
    explained = set(re.findall(r"^([a-z]+):.*## \w", text("Makefile"), flags=re.MULTILINE))
    assert explained == targets()


def test_ci_runs_what_the_readme_says_and_nothing_else():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert make_commands(script.read_text()) == {"test"}
    assert "make test" in text("README.md")


def test_the_lock_pins_every_dependency_and_torch_exactly():
    pins = locked()
    assert pins["torch"] == "2.13.0"
    assert all(re.fullmatch(r"\d[\w.]*", version) for version in pins.values()), pins
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"].values()
    for line in [*project["dependencies"], *(line for extra in extras for line in extra)]:
        needed = Requirement(line)
        assert needed.specifier.contains(pins[canonicalize_name(needed.name)]), line


def test_the_oldest_python_is_the_same_everywhere():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    assert project["requires-python"] == ">=3.11"
    assert "Python 3.11 or newer" in text("README.md")
    assert "(3, 11)" in text("Makefile")


@pytest.mark.parametrize(
    "pattern",
    [REGISTRIES, MACHINE_PATHS, CREDENTIALS],
    ids=["registry", "machine path", "credentials"],
)
def test_no_tracked_file_shows_a_machine_or_a_registry(pattern):
    found = []
    for name in tracked():
        content = (ROOT / name).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
            if re.search(pattern, line):
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (REGISTRIES, "https://" + "pypi." + "org/simple"),
        (REGISTRIES, "pip install --index" + "-url=x"),
        (MACHINE_PATHS, "cp " + "/ho" + "me/someone/file ."),
        (MACHINE_PATHS, '"' + "/wo" + 'rk/shared/data"'),
        (CREDENTIALS, "-----BEGIN RSA " + "PRIVATE KEY-----"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern, line):
    assert re.search(pattern, line)
