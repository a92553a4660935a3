"""Files as git has them at a revision."""

import subprocess
from pathlib import Path, PurePosixPath

from pipeline.errors import DataError, ParamsError, one_line


class Revision:
    """The tree of one commit, of the project in the current folder.

    Args:
        name: anything that git takes for a commit: `main`, `HEAD~1`, a tag, a hash.

    Raises:
        ParamsError: there is no git, no repository or no such commit.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        wanted = f"{name}^{{commit}}"
        found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", wanted)
        if found.returncode != 0:
            why = (
                one_line(found.stderr.decode(errors="replace").strip())
                or "git knows no such commit"
            )
            raise ParamsError(
                f"--compare {one_line(name)}: {why}; give a branch, a tag or a commit"
            )
        self._commit = found.stdout.decode().strip()

    def names(self, folder: Path, suffix: str) -> list[str]:
        """Return the names of the files in a folder, without their suffix, sorted."""
        tree = f"{self._commit}:./{folder.as_posix()}"
        listed = _git("ls-tree", "--full-tree", "--name-only", "-z", tree)
        paths = [PurePosixPath(p) for p in listed.stdout.decode().split("\0") if p]
        return sorted(path.stem for path in paths if path.suffix == suffix)

    def read(self, path: Path) -> bytes:
        """Return a file's content.

        Raises:
            DataError: the commit has no such file.
        """
        found = _git("show", f"{self._commit}:./{path.as_posix()}")
        if found.returncode != 0:
            raise DataError(f"{self.name}: has no file {path}")
        return found.stdout


def _git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise ParamsError("--compare needs git, which is not on PATH") from error
