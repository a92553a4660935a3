"""DVC's side of `make repro`: what has changed, what its run cache knows, what it records.

The steps are those of `dvc repro` for one stage (`Stage.reproduce` and `Stage.run`), cut in two
where the command runs. Only this module imports DVC, and only within functions.

DVC writes its files in place, e.g. `.dvc/tmp/rwlock`, and cannot read what is cut off. Ctrl-C and
SIGTERM wait meanwhile.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import recording
from pipeline.atomic import atomic_path
from pipeline.errors import PipelineError, StageError
from pipeline.processes.parent import signals_held
from stages.shell.stage_process import Command


_LOCK = "dvc.lock"


class DvcPipeline:
    """The stages of `dvc.yaml`, while this process holds DVC's lock.

    Args:
        repo: DVC's repository, locked.
    """

    @signals_held()
    def __init__(self, repo: Any) -> None:
        from dvc.repo.reproduce import get_active_graph, plan_repro

        self._repo = repo
        graph = get_active_graph(repo.index.graph)
        order = plan_repro(graph, list(graph))
        self._stages: dict[str, Any] = {stage.addressing: stage for stage in order}
        self._needs = {
            stage.addressing: frozenset(other.addressing for other in graph.successors(stage))
            for stage in order
        }
        outs = (Path(out.fs_path) for stage in order for out in stage.outs)
        root = Path(repo.root_dir)
        folders = sorted({Path(os.path.relpath(out.parent, root)) for out in outs})
        recording.refuse_folders_elsewhere(folders, root)
        self._lock = Path(repo.root_dir, _LOCK).resolve()
        self._before = self._lock.read_bytes() if self._lock.exists() else None
        self._changed: set[str] = set()
        self._recorded: set[str] = set()
        self._left: dict[str, recording.Notes] = {}  # by stages that run: of earlier runs
        recording.clear_recorded()

    @property
    def needs(self) -> Mapping[str, frozenset[str]]:
        """By stage: the stages whose outs it reads, in DVC's order."""
        return self._needs

    @signals_held()
    def begin(self, name: str) -> Command | str:
        """Return the command of a stage, or the reason why it need not run.

        Old outs are removed, as DVC does.
        """
        from dvc.env import DVC_ROOT, DVC_STAGE
        from dvc.stage.cache import RunCacheNotFoundError

        stage = self._stages[name]
        if not stage.changed():
            return "unchanged"
        stage.remove_outs(ignore_remove=False, force=False)
        try:
            self._repo.stage_cache.restore(stage)
        except RunCacheNotFoundError:
            stage.save_deps()
            self._left[name] = recording.notes_of(name)
            environ = {DVC_ROOT: self._repo.root_dir, DVC_STAGE: name, recording.BY_STARTER: "1"}
            return Command(stage.cmd, stage.wdir, environ)
        self.finish(name)
        return "from DVC's run cache"

    @signals_held()
    def finish(self, name: str) -> None:
        """Put the outs into DVC's cache; `record` writes the lock.

        DVC's run cache has no stage with an out that persists, so such a one is recorded now: the
        others of this run may take days.
        """
        stage = self._stages[name]
        kept = all(out.use_cache for out in stage.outs if not (out.is_metric or out.is_plot))
        stage.save(run_cache=kept)
        stage.commit()
        if any(out.use_cache and out.changed_cache() for out in stage.outs):
            raise PipelineError(
                f"{name}: DVC's cache has not taken all of it; is its disk full? Free some space "
                "and run again: the stage goes on from its checkpoint"
            )
        self._changed.add(name)
        if any(out.persist for out in stage.outs):
            self.record()
        if (before := self._left.pop(name, None)) is not None:  # else it was restored
            now = recording.notes_of(name)
            recording.recorded([note for note in now if now[note] != before.get(note)])

    @signals_held()
    def record(self) -> None:
        """Write `dvc.lock` for all stages that have ended, unless it has them; it takes a second.

        They are added to the lock from before this run, in DVC's order, however often it is
        written. The lock is replaced at once, whole.
        """
        if self._changed <= self._recorded:
            return
        from dvc.dvcfile import Lockfile

        class Scratch(Lockfile):  # type: ignore[misc]  # DVC has no types
            relpath = _LOCK  # its name to be: DVC prints it, and may add it to git

        stages = [stage for name, stage in self._stages.items() if name in self._changed]
        with atomic_path(self._lock) as partial:
            if self._before is not None:
                partial.write_bytes(self._before)
            Scratch(self._repo, str(partial)).dump_stages(stages)
            if self._lock.exists():
                shutil.copymode(self._lock, partial)
        self._recorded.update(self._changed)


@contextmanager
def dvc_pipeline() -> Iterator[DvcPipeline]:
    """Yield the pipeline of the working directory; write its lock at the end, even after an error.

    Raises:
        StageError: DVC is not installed, is at work elsewhere, or refuses something.
    """
    try:
        with signals_held():  # within some imports Ctrl-C becomes another error
            from dvc.exceptions import DvcException
            from dvc.repo import Repo, lock_repo
    except ImportError as error:
        raise StageError(f"DVC cannot be imported ({error}); install requirements.lock") from error
    try:
        with Repo() as repo, lock_repo(repo), repo.scm_context():
            pipeline = DvcPipeline(repo)
            try:
                yield pipeline
            finally:
                pipeline.record()
    except DvcException as error:
        raise StageError(f"DVC: {error}{_advice(error)}") from error


def _advice(error: Exception) -> str:
    """Say what to do where a file that DVC itself writes cannot be read: DVC does not."""
    from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError
    from dvc.utils.serialize import ParseError
    from dvc.utils.strictyaml import YAMLValidationError

    if isinstance(error, RWLockFileCorruptedError | RWLockFileFormatError):
        return "; delete that file if no command of DVC is at work, and run the same command again"
    if isinstance(error, ParseError | YAMLValidationError) and Path(error.path).name == _LOCK:
        return (
            f"; put back the committed one (git checkout {_LOCK}; in a merge git checkout --ours "
            f"{_LOCK}, or --theirs) and run the same command again"
        )
    return ""
