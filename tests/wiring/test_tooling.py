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


LOCKS = ("requirements.lock", "requirements-torch.lock", "requirements-torch-cpu.lock")


def entries(lock: str) -> list[Requirement]:
    """Return what a lock pins, without the hashes."""
    lines = text(lock).replace("\\\n", " ").splitlines()
    return [Requirement(line.split("--hash")[0]) for line in lines if line[:1] not in ("#", "")]


def locked() -> dict[str, str]:
    return {
        canonicalize_name(entry.name): str(entry.specifier).removeprefix("==")
        for lock in LOCKS[:2]
        for entry in entries(lock)
    }


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
    extras = project["optional-dependencies"]
    asked = set(re.findall(r"--extra (\w+)", text("Makefile")))
    assert asked == extras.keys() - {"web"}  # gradio asks for an older tomlkit than the lock has
    assert "gradio" not in pins
    for line in [*project["dependencies"], *(line for extra in asked for line in extras[extra])]:
        needed = Requirement(line)
        assert needed.specifier.contains(pins[canonicalize_name(needed.name)]), line


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_an_exact_version_with_hashes(lock):
    line = re.compile(r"(?P<name>[a-z0-9.-]+)(\[[a-z,]+\])?==\S+( ; sys_platform == \"linux\")?")
    for entry in text(lock).replace("\\\n", " ").splitlines():
        if entry and not entry.startswith("#"):
            pinned, *hashes = entry.split(" --hash=sha256:")
            assert line.fullmatch(pinned.strip()), entry
            assert hashes, pinned
            assert all(re.fullmatch(r"[0-9a-f]{64} *", digest) for digest in hashes), pinned


def test_the_two_builds_of_torch_are_of_one_version():
    cpu = {entry.name: entry for entry in entries("requirements-torch-cpu.lock")}
    assert list(cpu) == ["torch"]
    assert str(cpu["torch"].specifier) == f"=={locked()['torch']}+cpu"
    assert not {e.name for e in entries(LOCKS[0])} & {e.name for e in entries(LOCKS[1])}


def test_the_lock_is_resolved_with_torchs_and_leaves_out_what_that_has():
    command = ("make", "--dry-run", "--no-print-directory", "lock")
    recipe = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout
    assert recipe.split()[-2:] == ["pyproject.toml", LOCKS[1]]
    left_out = {canonicalize_name(name) for name in re.findall(r"--unsafe-package (\S+)", recipe)}
    assert left_out == {canonicalize_name(e.name) for e in entries(LOCKS[1])} | {"pip"}


def test_packages_are_installed_by_hash_alone():
    installed = [line for line in text("Makefile").splitlines() if "pip install" in line]
    own = [line for line in installed if ".tools" not in line]  # for `make lock`, no stage's
    assert len(own) == 1
    assert "--require-hashes" in own[0]
    assert all(f"{name} " in text("Makefile") or f"{name};" in text("Makefile") for name in LOCKS)


def test_actions_are_named_by_commit():
    used = re.findall(r"uses: (.*)", text(".github/workflows/ci.yml"))
    assert used
    assert [u for u in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", u)] == []


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


def test_the_readmes_folder_of_conversations_is_kept_out_of_git():
    (folder,) = set(re.findall(r"--person (\w+) ", text("README.md")))
    assert f"/{folder}/" in text(".gitignore").splitlines()
