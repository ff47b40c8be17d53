"""The driver of ``ParallelRunStep``: feeds mini-batches to the entry script and collects what it returns.

A program of its own, run by path in the process of the step: it imports nothing of the fake. One process does all
mini-batches in turn; Azure does them on several nodes, in any order.

Facts: ``azureml.pipeline.core._parallel_run_step_base`` (1.62) for the arguments, and
https://learn.microsoft.com/azure/machine-learning/v1/tutorial-pipeline-batch-scoring-classification and
https://learn.microsoft.com/python/api/azureml-pipeline-steps/azureml.pipeline.steps.parallelrunconfig for the meaning
of ``init``, ``run``, ``shutdown``, ``error_threshold``, ``allowed_failed_count``, ``allowed_failed_percent``,
``run_max_try`` and ``output_action``.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import os
import re
import signal
import sys
import traceback
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

APPEND = "append_row"
DEFAULT_FILE = "parallel_run_step.txt"
_SIZE = re.compile(r"\s*(\d+)\s*(KB|MB|GB)?\s*", re.IGNORECASE)
_UNITS = {"": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}


class Refused(Exception):
    """The step is set up in a way that this driver does not run."""


class TooManyErrors(Exception):
    """More items or mini-batches failed than the step allows."""


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the driver's own arguments; the rest belongs to the entry script."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--scoring_module_name", required=True)
    parser.add_argument("--mini_batch_size", default=None)
    parser.add_argument("--error_threshold", type=int, default=-1)
    parser.add_argument("--allowed_failed_count", type=int, default=-1)
    parser.add_argument("--allowed_failed_percent", type=float, default=100.0)
    parser.add_argument("--output_action", default=APPEND)
    parser.add_argument("--append_row_file_name", default=DEFAULT_FILE)
    parser.add_argument("--run_invocation_timeout", type=int, default=60)
    parser.add_argument("--run_max_try", type=int, default=3)
    parser.add_argument("--output", default=None)
    parser.add_argument("--partition_keys", default=None)
    known, rest = parser.parse_known_args(arguments)
    if known.partition_keys:
        raise Refused("partition_keys is not implemented by this fake's driver")
    known.inputs = [
        (rest[at].startswith("--input_fds"), rest[at + 1])
        for at in range(len(rest) - 1)
        if re.fullmatch(r"--input_(fds|ds)_\d+", rest[at])
    ]
    if not known.inputs:
        raise Refused("the step has no input data set")
    return known


def load(path: str) -> ModuleType:
    """Import the entry script from its path."""
    sys.path.insert(0, str(Path(path).resolve().parent))
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise Refused(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    if not callable(getattr(module, "run", None)):
        raise Refused(f"{path} has no function run")
    return module


def file_batches(name: str, size: str | None) -> Iterator[list[str]]:
    """Lists of paths, `size` files each."""
    root = Path(os.environ[name])
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    count = int(size or 10)
    for at in range(0, len(files), count):
        yield [str(path) for path in files[at : at + count]]


def row_batches(name: str, size: str | None) -> Iterator[Any]:
    """Data frames of about `size` bytes of text each."""
    from azureml.core import Dataset, Run

    frame = Dataset.get_by_id(Run.get_context().experiment.workspace, os.environ[name]).to_pandas_dataframe()
    if not len(frame):
        return
    match = _SIZE.fullmatch(str(size or "1MB"))
    if match is None:
        raise Refused(f"mini_batch_size {size!r} is no size")
    wanted = int(match.group(1)) * _UNITS[(match.group(2) or "").upper()]
    row = max(1, len(frame.head(100).to_csv(index=False, header=False)) // min(100, len(frame)))
    count = max(1, wanted // row)
    for at in range(0, len(frame), count):
        yield frame.iloc[at : at + count].reset_index(drop=True)


def call(function: Callable[..., Any], batch: Any, number: int, seconds: int) -> Any:
    """Call ``run``, for at most `seconds`."""

    def late(*_: object) -> None:
        raise TimeoutError(f"run took longer than run_invocation_timeout ({seconds} seconds)")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        if len(inspect.signature(function).parameters) > 1:
            return function(batch, SimpleNamespace(mini_batch_id=str(number)))
        return function(batch)
    finally:
        signal.alarm(0)


def attempt(module: ModuleType, batch: Any, number: int, chosen: argparse.Namespace) -> Any:
    """The result of one mini-batch after at most ``run_max_try`` tries; None when all failed."""
    for tried in range(1, chosen.run_max_try + 1):
        try:
            result = call(module.run, batch, number, chosen.run_invocation_timeout)
        except Exception:
            print(f"mini-batch {number}: try {tried} of {chosen.run_max_try} failed", file=sys.stderr)
            traceback.print_exc()
        else:
            if result is None or not hasattr(result, "__len__"):
                raise Refused(f"run must return a list, an array or a data frame, not {type(result).__name__}")
            return result
    return None


def lines(result: Any) -> str:
    """What a result becomes in the output file: a row a line, columns apart by a space."""
    if hasattr(result, "to_csv"):
        return str(result.to_csv(sep=" ", header=False, index=False))
    return "".join(f"{item}\n" for item in result)


def score(module: ModuleType, chosen: argparse.Namespace) -> tuple[int, int]:
    """Do all mini-batches; gives the numbers of items and of failed ones."""
    total = failed = number = batches_failed = 0
    target = None
    if chosen.output_action == APPEND:
        if not chosen.output:
            raise Refused("output_action append_row needs an output")
        Path(chosen.output).mkdir(parents=True, exist_ok=True)
        target = (Path(chosen.output) / chosen.append_row_file_name).open("w", encoding="utf-8")
    try:
        for is_files, name in chosen.inputs:
            for batch in (file_batches if is_files else row_batches)(name, chosen.mini_batch_size):
                result = attempt(module, batch, number, chosen)
                number += 1
                total += len(batch)
                failed += max(0, len(batch) - (0 if result is None else len(result)))
                batches_failed += result is None
                if -1 < chosen.allowed_failed_count < batches_failed:
                    raise TooManyErrors(
                        f"{batches_failed} mini-batches failed, more than allowed_failed_count "
                        f"({chosen.allowed_failed_count}) allows"
                    )
                if -1 < chosen.error_threshold < failed:
                    raise TooManyErrors(
                        f"{failed} items failed, more than error_threshold ({chosen.error_threshold}) allows"
                    )
                if target is not None and result is not None:
                    target.write(lines(result))
    finally:
        if target is not None:
            target.close()
    # Looked at when all mini-batches have been given out; here that is the end.
    if number and 100.0 * batches_failed / number > chosen.allowed_failed_percent:
        raise TooManyErrors(
            f"{batches_failed} of {number} mini-batches failed, more than allowed_failed_percent "
            f"({chosen.allowed_failed_percent:g}) allows"
        )
    print(f"{number} mini-batches, {total} items, {failed} failed")
    return total, failed


def main() -> None:
    """Run the step."""
    chosen = options(sys.argv[1:])
    if chosen.output:
        Path(chosen.output).mkdir(parents=True, exist_ok=True)
    sys.argv = [chosen.scoring_module_name, *sys.argv[1:]]
    module = load(chosen.scoring_module_name)
    if callable(getattr(module, "init", None)):
        module.init()
    score(module, chosen)
    if callable(getattr(module, "shutdown", None)):
        module.shutdown()


if __name__ == "__main__":
    main()
