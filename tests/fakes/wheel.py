"""Install the wheel of ``fakes`` into an empty environment of other Pythons, and use it there (needs a package index).

python -m tests.fakes.wheel python3.10 python3.13
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A program as somebody would write it who has nothing else of this kit.
PROGRAM = '''
import pathlib, sys
import fakes

with fakes.mock_azure() as azure:
    from azureml.core import Environment, Model, Workspace
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice

    s = azure.settings
    ws = Workspace.get(s.workspace_name, subscription_id=s.subscription_id, resource_group=s.resource_group)
    pathlib.Path("weights.txt").write_text("3")
    pathlib.Path("source").mkdir()
    pathlib.Path("source/score.py").write_text("""
import os
def init():
    global weight
    weight = int(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "weights.txt")).read())
def run(data):
    return weight * 2
""")
    model = Model.register(ws, "weights.txt", "weights")
    config = InferenceConfig("score.py", source_directory="source", environment=Environment("mine"))
    service = Model.deploy(ws, "service", [model], config, AciWebservice.deploy_configuration())
    service.wait_for_deployment()
    print(fakes.__file__)
    print("scored", service.run("{}"), "python", "%d.%d" % sys.version_info[:2])
    assert azure.state.bugs == []
'''


def build(folder: Path, *options: str) -> Path:
    """Build the wheel into `folder` and return it."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", *options]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT / "fakes")], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def use(python: str, folder: Path, **environment: str) -> str:
    """Run the program, and the command line, in `folder`; return what they print."""
    folder.mkdir()
    (folder / "program.py").write_text(PROGRAM)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    printed = []
    program = "import urllib.request as u; print(u.urlopen('https://westeurope.api.azureml.ms/discovery').status)"
    for command in (["program.py"], ["-m", "fakes", "run", "--", python, "-c", program]):
        done = subprocess.run([python, *command], cwd=folder, env=variables, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}\n{done.stderr}")
        printed.append(done.stdout)
    return "".join(printed)


def main(pythons: list[str]) -> None:
    """Try each interpreter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder / "wheel")
        for number, python in enumerate(pythons):
            place = folder / str(number)
            subprocess.run([python, "-m", "venv", str(place)], check=True)
            inside = str(place / "bin" / "python")
            install = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[sdk]"]
            subprocess.run(install, check=True)
            print(use(inside, place / "work"), end="", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or [sys.executable])
