"""The real pipeline files with programs in them that only note how they were called: what runs when, in seconds.

A rehearsal runs the real commands once, as a good week has them. Here the same files run many times, each time with
something else going wrong, on both kinds of service.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearse.azure.kit import AzurePipelines
from rehearse.kits import open_kit
from rehearse.run.azure_engine import AzureEngine
from rehearse.run.gates import grant
from rehearse.run.github_engine import GithubEngine
from rehearse.run.results import RunResult
from rehearse.run.world import World

from .conftest import ROOT

MODEL = "diabetes:7"
# Notes its call and the model that it was given; fails or hangs where the play says so; tells CI what was registered.
MLOPS = f"""#!{sys.executable} -I
import json, os, pathlib, re, sys, time
words = sys.argv[1:]
place = pathlib.Path(__file__).parent.parent
model = next((word for word in words if ":" in word or word.startswith("@")), "")
if model.startswith("@"):
    found = json.loads(pathlib.Path(model[1:]).read_text())["model"]
    words[words.index(model)] = f"{{found['name']}}:{{found['version']}}"
called = " ".join(words)
with (place / "calls").open("a") as calls:
    calls.write(called + "\\n")
play = json.loads((place / "play.json").read_text())
if words[:2] == ["pipeline", "model"]:
    found = {{"name": "diabetes", "version": 7}} if play["registers"] else None
    file = pathlib.Path(words[words.index("--file") + 1])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({{"model": found}}))
    if "--ci" in words and os.environ.get("GITHUB_OUTPUT"):
        with open(os.environ["GITHUB_OUTPUT"], "a") as output:
            output.write(f"registered={{str(found is not None).lower()}}\\n")
    elif "--ci" in words:
        print(f"##vso[task.setvariable variable=registered;isOutput=true]{{str(found is not None).lower()}}")
        if found:
            print("##vso[build.addbuildtag]model-registered")
for name in ("--output", "--report"):
    if name in words:
        file = pathlib.Path(words[words.index(name) + 1])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
if play["hangs"] and re.search(play["hangs"], called):
    time.sleep(60)  # it is stopped at the time limit of its job
sys.exit(1 if play["fails"] and re.search(play["fails"], called) else 0)
"""
MAKEFILE = """
dev azure: ;
lint lint-delivery audit image-scan infra-plan infra-apply test-newest: ; @echo "make $@" >> $(VENV)/calls
test:
	@echo "make test" >> $(VENV)/calls; mkdir -p reports
	@echo '<testsuite tests="1" failures="0"/>' > reports/junit.xml
	@echo '<coverage line-rate="0.9"/>' > reports/coverage.xml
sbom: ; @echo "make sbom" >> $(VENV)/calls; mkdir -p reports/sbom; touch reports/sbom/a.json
"""


@dataclass
class Told:
    """What a play came to."""

    runs: list[RunResult]
    calls: list[str]
    approvals: list[str] = field(default_factory=list)

    @property
    def states(self) -> dict[str, str]:
        """The state of each job, of all runs."""
        return {
            name: job.state for run in self.runs for stage in run.stages.values() for name, job in stage.jobs.items()
        }

    @property
    def released(self) -> list[str]:
        """The calls that bring a version somewhere or take it back."""
        words = ("package", "deploy", "smoke", "release", "rollback")
        return [call for call in self.calls if call.split(" ", 1)[0] in words]


def play(
    kind: str, name: str, folder: Path, *, root: Path = ROOT, fails: str = "", hangs: str = "", registers: bool = True,
    approve: Callable[[str, list[str]], bool] = grant, reason: str = "Manual", minute: float = 60.0,
    parameters: Mapping[str, Any] | None = None, queue: Mapping[str, str] | None = None, before: str = "",
) -> Told:  # fmt: skip
    """Run a pipeline, and what it triggers, with programs that note their calls.

    Parameters
    ----------
    kind, name : str
        ``azure`` or ``github``; the pipeline.
    folder : pathlib.Path
        An empty one.
    root : pathlib.Path
        Where the pipeline files are.
    fails, hangs : str
        A pattern of the calls that fail, or never end.
    registers : bool
        Whether training registers a model.
    minute : float
        Seconds in a minute of time limits.
    before : str
        A pipeline that ran well before.
    """
    repository, venv = folder / "kit", folder / "venv"
    for part in (".pipelines", ".github"):
        shutil.copytree(root / part, repository / part)
    (repository / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "mlops").write_text(MLOPS, encoding="utf-8")
    (venv / "bin" / "mlops").chmod(0o755)
    (venv / "calls").write_text("", encoding="utf-8")
    told = {"fails": fails, "hangs": hangs, "registers": registers}
    (venv / "play.json").write_text(json.dumps(told), encoding="utf-8")
    asked: list[str] = []

    def ask(environment: str, approvers: list[str]) -> bool:
        asked.append(environment)
        return approve(environment, approvers)

    kit = open_kit(kind, repository, {})
    world = World(repository, folder / "scratch", venv)
    engine: Any = (AzureEngine if isinstance(kit, AzurePipelines) else GithubEngine)(
        world, kit.project, approve=ask, shorten=False, minute=minute
    )
    if before:
        kit.run(engine, before)
        (venv / "calls").write_text("", encoding="utf-8")
    runs: list[RunResult] = kit.run(engine, name, reason=reason, parameters=parameters, queue=queue)
    return Told(runs, (venv / "calls").read_text(encoding="utf-8").splitlines(), asked)
