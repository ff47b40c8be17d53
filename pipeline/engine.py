"""What searches and batch scoring run on: this machine's cores, or an existing Dask or Ray cluster, through joblib."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

from pipeline.errors import EngineUnavailable, PipelineError

BACKENDS = ("loky", "threading", "dask", "ray")
T = TypeVar("T")
LOSSES = frozenset({"RayActorError", "WorkerCrashedError", "NodeDiedError"})
"""Classes of ``ray.exceptions`` that say that a worker was lost."""
TRIES = 4
"""How often work is begun on a cluster that loses workers."""
WAIT_FOR_WORKERS = 30
"""Seconds until a cluster without workers counts as unavailable."""


@contextlib.contextmanager
def engine(backend: str, scheduler: str = "", *, n_jobs: int = -1) -> Iterator[int]:
    """Let joblib run on `backend`; gives how many jobs run at once.

    Parameters
    ----------
    backend : str
        ``loky`` (processes) or ``threading``, on this machine; ``dask`` or ``ray``, on a cluster that exists.
    scheduler : str
        Address of the cluster, such as ``tcp://10.0.0.4:8786`` or ``ray://10.0.0.4:10001``.
    n_jobs : int
        Jobs at once; -1: one a core, or one a thread of the cluster.

    Raises
    ------
    pipeline.errors.EngineUnavailable
        The package is not installed, or the scheduler does not answer or has no workers.
    """
    import joblib

    if backend not in BACKENDS:
        raise PipelineError(f"joblib backend {backend!r} is not known", hint=f"one of {', '.join(BACKENDS)}")
    if backend in ("dask", "ray") and not scheduler:
        raise PipelineError(f"where is the {backend} cluster?", hint="--scheduler ADDRESS, or train.scheduler")
    connect = {"dask": _dask, "ray": _ray}.get(backend)
    with connect(scheduler) if connect else contextlib.nullcontext(None) as size:
        jobs = n_jobs if n_jobs > 0 else size or joblib.cpu_count()
        options: dict[str, Any] = {"wait_for_workers_timeout": WAIT_FOR_WORKERS} if backend == "dask" else {}
        with joblib.parallel_config(backend=backend, n_jobs=jobs, **options):
            yield jobs


class Workers:
    """Gives tasks to the engine; inside :func:`engine`, and a context manager itself.

    Dask does by itself again what a lost worker had to do. joblib's backend for Ray does not: one worker less ends the
    whole call. Here it begins anew with new workers, so tasks must bear being done twice.
    """

    def __enter__(self) -> Workers:
        again(self._open)
        return self

    def _open(self) -> None:
        from joblib import Parallel

        self._parallel = Parallel()
        self._parallel.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Ending workers that are lost may fail too, and that is not what a caller wants to hear of.
        with contextlib.suppress(Exception) if error is not None else contextlib.nullcontext():
            self._parallel.__exit__(kind, error, trace)

    def __call__(self, tasks: Sequence[Any]) -> list[Any]:
        """The result of each task (made with ``joblib.delayed``), in order. Raises what a task raises."""

        def once() -> list[Any]:
            try:
                return list(self._parallel(tasks))
            except Exception as error:
                if lost(error):
                    self.__exit__(type(error), error, None)
                    again(self._open)
                raise

        return again(once)


def again(work: Callable[[], T]) -> T:
    """Do work, and do it anew when a worker was lost that the engine does not replace.

    Raises
    ------
    pipeline.errors.EngineUnavailable
        Each time a worker was lost.
    """
    for left in reversed(range(TRIES)):
        try:
            return work()
        except Exception as error:
            if not lost(error):
                raise
            if not left:
                raise EngineUnavailable(f"the cluster lost workers {TRIES} times: {error}") from error
    raise AssertionError("unreachable")


def lost(error: BaseException) -> bool:
    """Whether Ray says that a worker was lost."""
    return any(kind.__name__ in LOSSES and kind.__module__.startswith("ray.") for kind in type(error).__mro__)


@contextlib.contextmanager
def _dask(scheduler: str) -> Iterator[int]:
    import asyncio

    try:
        from distributed import Client
    except ImportError as error:
        raise EngineUnavailable("dask is not installed", hint="pip install -r requirements/dask.in") from error
    try:
        client = Client(scheduler, timeout="10s", set_as_default=True)
    except (OSError, ValueError, TimeoutError, asyncio.TimeoutError) as error:  # two classes on Python 3.10
        raise EngineUnavailable(f"no dask scheduler answers at {scheduler}: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT_FOR_WORKERS)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise EngineUnavailable(f"the dask scheduler at {scheduler} has no workers") from error
        yield sum(client.nthreads().values())


@contextlib.contextmanager
def _ray(scheduler: str) -> Iterator[int]:
    try:
        import ray  # type: ignore[import-not-found, unused-ignore]
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise EngineUnavailable("ray is not installed", hint="pip install -r requirements/ray.in") from error
    register_ray()
    try:
        ray.init(address=scheduler, ignore_reinit_error=True)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise EngineUnavailable(f"no ray cluster answers at {scheduler}: {error}") from error
    try:
        yield int(ray.cluster_resources().get("CPU", 1))
    finally:
        ray.shutdown()
