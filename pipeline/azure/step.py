"""What runs on the compute cluster: one step of the pipeline, with the seams of the run's own workspace.

The step's function is the same file as everywhere; this only builds its context. A step's output is kept with its run
(below ``step/``), so that it can be read, reused and resumed from whatever became of the cluster.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.azure import origin
from pipeline.config import TEXTS, PipelineConfig, kind_of
from pipeline.context import StepContext
from pipeline.errors import PipelineError
from pipeline.execute import execute
from pipeline.fingerprint import fingerprint
from pipeline.graph import TRAINING, Pipeline, Step, declared
from pipeline.results import RESULT
from pipeline.runner import with_parameters
from registry.azure.blobs import BlobFolder
from registry.azure.data import AzureDataSets
from registry.azure.models import AzureModelRegistry
from registry.azure.runs import ERROR, AzureRunHistory
from registry.azure.sign_in import Account
from registry.azure.workspace import AzureWorkspace
from registry.errors import NotFound
from registry.runs import Run, RunState

OUTPUT = "step/"
FINGERPRINT, REUSED, FROM = "fingerprint", "reused", "reused_run"
HINT, EXIT_CODE = "mlops.hint", "mlops.exit_code"
"""Tags of a step that failed, besides its error."""
SAID = "[mlops] "
"""How a line for a person begins in a step's log."""


@dataclass(frozen=True)
class Arguments:
    """The command line of a step."""

    step: str
    config: PipelineConfig
    inputs: dict[str, Path]
    output: Path
    resume: str = ""
    start: str = ""
    until: str = ""
    reuse: bool = True
    pipeline: Pipeline = TRAINING
    """Under the name that it was published by."""
    given: frozenset[str] = frozenset()
    """Parameters that whoever started the run has set."""

    @property
    def left_out(self) -> bool:
        """Whether the run ends before this step."""
        return bool(self.until) and self.pipeline.step(self.step) not in self.pipeline.upto(self.until)


def main(exit_code_of: Callable[[BaseException], int] | None = None, root: Path | None = None) -> None:
    """Run one step; exits 1 when it fails, its message in a tag of the run and in the log.

    Parameters
    ----------
    exit_code_of : callable, optional
        What the step's error is as an exit code of the program; kept with the run.
    root : pathlib.Path, optional
        Where the code is; default: here.
    """
    try:
        asked = parse(sys.argv[1:])
    except PipelineError as error:  # a parameter of whoever started the run, by REST say, who will look for it there
        refused(error, exit_code_of)
        sys.exit(1)
    context = opened(asked)
    try:
        work(asked.pipeline, asked, context, root or Path.cwd())
    except Exception as error:
        tell(context, error, exit_code_of)
        sys.exit(1)


def opened(asked: Arguments) -> StepContext:
    """What a step is given, from the run that this process is."""
    from azureml.core import Run as SdkRun

    workspace = AzureWorkspace(Account("", "", ""))
    runs = AzureRunHistory(workspace)
    sdk = SdkRun.get_context(allow_offline=False)
    above = sdk.parent
    properties = dict(above.get_properties() or {})
    run, parent = runs.open(str(sdk.id)), runs.open(str(above.id))
    config = origin.own_config(asked.config, properties, asked.given)
    if asked.step == asked.pipeline.steps[0].name and origin.PIPELINE not in (above.get_tags() or {}):
        parent.set_tags(origin.marks(asked.pipeline, config, properties))
        given = {name: getattr(asked.config, name) for name in asked.given}
        document = json.dumps({origin.GIVEN: given, origin.PUBLISHED: properties.get(origin.PUBLICATION)})
        BlobFolder(workspace, origin.SETTINGS).create(f"{above.id}.json", document.encode())
    return StepContext(
        config=config,
        models=AzureModelRegistry(workspace),
        runs=runs,
        data=AzureDataSets(workspace),
        run=run,
        inputs=asked.inputs,
        output=asked.output,
        progress=_say,
        parent=parent,
    )


def tell(context: StepContext, error: BaseException, exit_code_of: Callable[[BaseException], int] | None) -> None:
    """Say on the run, and in its log, what made the step fail."""
    _tell(context.run, context.progress, error, exit_code_of)


def refused(error: PipelineError, exit_code_of: Callable[[BaseException], int] | None) -> None:
    """The same for a step that cannot be given anything, since what it was asked to do makes no sense."""
    from azureml.core import Run as SdkRun

    runs = AzureRunHistory(AzureWorkspace(Account("", "", "")))
    _tell(runs.open(str(SdkRun.get_context(allow_offline=False).id)), _say, error, exit_code_of)


def _say(line: str) -> None:
    print(SAID + line, flush=True)


def _tell(
    run: Run,
    progress: Callable[[str], None],
    error: BaseException,
    exit_code_of: Callable[[BaseException], int] | None,
) -> None:
    message = str(error) or type(error).__name__
    hint = getattr(error, "hint", None)
    code = str(int(exit_code_of(error))) if exit_code_of else ""
    found = {ERROR: message[:5000], HINT: str(hint)[:5000] if hint else "", EXIT_CODE: code}
    run.set_tags({name: text for name, text in found.items() if text})
    progress(f"failed: {message}")


def work(pipeline: Pipeline, asked: Arguments, context: StepContext, root: Path) -> None:
    """Run the step, unless an earlier run has done the same work already."""
    step = pipeline.step(asked.step)
    asked.output.mkdir(parents=True, exist_ok=True)
    if asked.left_out:
        context.progress(f"left out: this run ends with {asked.until}")
        return
    if asked.resume and _resumed(pipeline, step, asked, context):
        return
    key = fingerprint(step, context.config, dict(asked.inputs), root) if step.allow_reuse and asked.reuse else None
    if key and _reused(key, context):
        return
    execute(step, context)
    keep(context.run, context.output, only_result=step.transient)
    if key:
        context.run.set_tags({FINGERPRINT: key})


def keep(run: Run, output: Path, *, only_result: bool = False) -> None:
    """Keep a step's output with its run, or no more of it than ``result.json``."""
    for path in sorted(item for item in output.rglob("*") if item.is_file()):
        name = path.relative_to(output).as_posix()
        if name == RESULT or not only_result:
            run.upload(OUTPUT + name, path)


def fetch(context_runs: Any, run_id: str, target: Path) -> bool:
    """Copy the output that a run kept into the folder `target`; false if it kept none."""
    names = [name for name in context_runs.files(run_id) if name.startswith(OUTPUT)]
    if OUTPUT + RESULT not in names:
        return False
    for name in names:
        context_runs.download(run_id, name, target / name[len(OUTPUT) :])
    return True


def _resumed(pipeline: Pipeline, step: Step, asked: Arguments, context: StepContext) -> bool:
    """Take over what the resumed run has completed, as far as it goes without a gap."""
    if step.transient or (asked.start and step not in pipeline.upto(asked.start)[:-1]):
        return False
    before = {run.name: run for run in context.runs.search(parent=asked.resume)}
    for name in (item.name for item in pipeline.upto(step.name)):
        if name not in before or before[name].state is not RunState.COMPLETED:
            return False
    if not all(_same_result(context, before[name].id, folder) for name, folder in asked.inputs.items()):
        return False  # a step before was done anew
    return _take(before[step.name].id, f"completed in run {asked.resume}", context)


def _same_result(context: StepContext, run_id: str, folder: Path) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            path = context.runs.download(run_id, OUTPUT + RESULT, Path(scratch) / RESULT)
        except NotFound:
            return False
        return path.read_bytes() == (folder / RESULT).read_bytes()


def _reused(key: str, context: StepContext) -> bool:
    """Take over the output of an earlier step with the same fingerprint."""
    experiment = context.config.experiment
    for run in context.runs.search(experiment, state=RunState.COMPLETED, tags={FINGERPRINT: key}, limit=1):
        return _take(run.id, f"unchanged since run {run.id}", context)
    return False


def _take(run_id: str, why: str, context: StepContext) -> bool:
    source = context.runs.get(run_id)
    run_id = source.tags.get(FROM, run_id)  # a reused step names the run that did the work
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "output"
        try:
            if not fetch(context.runs, run_id, folder):
                return False
        except NotFound:
            return False
        shutil.copytree(folder, context.output, dirs_exist_ok=True)
    keep(context.run, context.output)
    context.run.set_tags({REUSED: why, FROM: run_id})
    for name, value in context.runs.get(run_id).metrics.items():
        context.run.log_metric(name, value)
        if context.parent is not None:
            context.parent.log_metric(name, value)
    context.progress(f"reused: {why}")
    return True


def parse(arguments: Sequence[str], *, others: bool = False) -> Arguments:
    """Read a step's command line. Parameters of the published pipeline come as text; an empty one is not set.

    `others`: arguments of somebody else's may stand between.

    Raises
    ------
    pipeline.errors.PipelineError
        A parameter is not what it must be.
    """
    parser = argparse.ArgumentParser(prog="run_step.py", allow_abbrev=False)
    parser.add_argument("--step", required=True)
    parser.add_argument("--pipeline", default="", help="its name")
    parser.add_argument("--kind", default="training", help="which of the kit's pipelines it is")
    parser.add_argument("--config", required=True, help="PipelineConfig as JSON")
    parser.add_argument("--set", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    parser.add_argument("--input", nargs=2, action="append", default=[], metavar=("STEP", "FOLDER"))
    # --output is taken where the work is shared out.
    parser.add_argument("--output", "--into", required=True, type=Path)
    parser.add_argument("--reuse", default="yes")
    for name in ("resume", "start", "until"):
        parser.add_argument(f"--{name}", default="")
    given = parser.parse_known_args(arguments)[0] if others else parser.parse_args(arguments)
    config = PipelineConfig.from_json(json.loads(given.config))
    changes = {name: text if name in TEXTS else _value(name, text) for name, text in given.set if text.strip()}
    pipeline = declared(given.kind)
    pipeline = pipeline.named(given.pipeline or pipeline.name)
    return Arguments(
        step=given.step,
        pipeline=pipeline,
        given=frozenset(changes),
        config=with_parameters(pipeline, config, changes),
        inputs={name: Path(folder) for name, folder in given.input},
        output=given.output,
        resume=given.resume.strip(),
        start=given.start.strip(),
        until=given.until.strip(),
        reuse=given.reuse == "yes",
    )


def _value(name: str, text: str) -> Any:
    if bool in kind_of(name):  # as people write them: True, FALSE
        text = text.strip().lower()
    try:
        return json.loads(text)
    except ValueError:
        return text
