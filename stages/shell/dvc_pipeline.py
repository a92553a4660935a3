"""DVC's side of `make repro`: what has changed, what its run cache knows, what it records.

The steps are those of `dvc repro` for one stage (`Stage.reproduce` and `Stage.run`), cut in two
where the command runs. Only this module imports DVC, and only within functions.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.errors import StageError
from stages.shell.stage_process import Command


class DvcPipeline:
    """The stages of `dvc.yaml`, while this process holds DVC's lock.

    Args:
        repo: DVC's repository, locked.
    """

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
        self._changed: set[str] = set()

    @property
    def needs(self) -> Mapping[str, frozenset[str]]:
        """By stage: the stages whose outs it reads, in DVC's order."""
        return self._needs

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
            environ = {DVC_ROOT: self._repo.root_dir, DVC_STAGE: name}
            return Command(stage.cmd, stage.wdir, environ)
        self.finish(name)
        return "from DVC's run cache"

    def finish(self, name: str) -> None:
        """Put the outs into DVC's cache; `record` writes the lock."""
        stage = self._stages[name]
        kept = all(out.use_cache for out in stage.outs if not (out.is_metric or out.is_plot))
        stage.save(run_cache=kept)
        stage.commit()
        self._changed.add(name)

    def record(self) -> None:
        """Write `dvc.lock` for all stages that have ended, in DVC's order: once, it takes a second.

        What a killed process did not write comes back from the run cache.
        """
        stages = [stage for name, stage in self._stages.items() if name in self._changed]
        if stages:
            stages[0].dvcfile.dump_stages(stages, update_pipeline=False)


@contextmanager
def dvc_pipeline() -> Iterator[DvcPipeline]:
    """Yield the pipeline of the working directory; write its lock at the end, even after an error.

    Raises:
        StageError: DVC is not installed, is at work elsewhere, or refuses something.
    """
    try:
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
        raise StageError(f"DVC: {error}") from error
