"""A program that knows nothing of any fake: sign in, register, deploy, score, update, break, package, clean up.

It is the same program for the real cloud: workspace and service principal come from the environment.
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

SCORE = """
    import json, os

    def init():
        global slope
        with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "line.json")) as file:
            slope = json.load(file)["slope"]
        print("slope", slope)

    def run(data):
        return {"result": [slope * x for row in json.loads(data)["data"] for x in row]}
"""
BODY = json.dumps({"data": [[1.0], [3.0]]})


def journey(
    name: str,
    folder: Path,
    mark: Callable[[str], None] = lambda step: None,
    parsing: AbstractContextManager[Any] | None = None,
) -> None:
    """Go the whole way once; `name` makes it different from others in the same workspace.

    `parsing` is a lock for threads that do this side by side: the SDK parses the entry script, and CPython 3.11 cannot
    always do that in two threads at once (https://github.com/python/cpython/issues/106905).
    """
    parsing = parsing or nullcontext()
    import requests
    from azureml.core import Environment, Model, Webservice, Workspace
    from azureml.core.compute import AksCompute, ComputeTarget
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice, AksWebservice
    from azureml.exceptions import WebserviceException

    def write(slope: float) -> str:
        path = folder / "line.json"
        path.write_text(json.dumps({"slope": slope}))
        return os.path.relpath(path)

    def script(text: str, into: str) -> Any:
        source = folder / into
        source.mkdir(exist_ok=True)
        (source / "score.py").write_text(textwrap.dedent(text))
        with parsing:
            return InferenceConfig("score.py", source_directory=str(source), environment=Environment(f"scoring-{name}"))

    workspace = Workspace.get(
        os.environ["WORKSPACE_NAME"],
        subscription_id=os.environ["SUBSCRIPTION_ID"],
        resource_group=os.environ["RESOURCE_GROUP"],
    )
    mark("workspace")
    model = Model.register(workspace, write(2.0), f"line-{name}")
    good = script(SCORE, "good")
    aci = AciWebservice.deploy_configuration(cpu_cores=1, memory_gb=1, auth_enabled=True)
    with parsing:
        service = Model.deploy(workspace, f"qa-{name}", [model], good, aci)
    service.wait_for_deployment()
    assert service.run(BODY) == {"result": [2.0, 6.0]}
    mark("first prediction")

    def status(key: str) -> int:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        return requests.post(service.scoring_uri, BODY, headers=headers).status_code

    old = service.get_keys()
    assert [status(key) for key in (*old, "wrong")] == [200, 200, 401]
    service.regen_key("Primary")
    assert [status(key) for key in (*service.get_keys(), old[0])] == [200, 200, 401]
    mark("keys")

    small = AksCompute.provisioning_configuration(cluster_purpose="DevTest", agent_count=1)
    cluster = ComputeTarget.create(workspace, f"aks-{name}", small)
    cluster.wait_for_completion()
    aks = AksWebservice.deploy_configuration(autoscale_enabled=True, autoscale_min_replicas=1, autoscale_max_replicas=3)
    with parsing:
        production = Model.deploy(workspace, f"prod-{name}", [model], good, aks, cluster)
    production.wait_for_deployment()
    assert production.run(BODY) == {"result": [2.0, 6.0]}
    better = Model.register(workspace, write(5.0), f"line-{name}")
    with parsing:
        production.update(models=[better], inference_config=good, tags={"release": "2"})
    production.wait_for_deployment()
    assert production.run(BODY) == {"result": [5.0, 15.0]}
    assert "slope 5.0" in production.get_logs()
    mark("kubernetes")

    bad = script(SCORE.replace('["slope"]', '["gone"]'), "bad")
    with parsing:
        broken = Model.deploy(workspace, f"broken-{name}", [model], bad, AciWebservice.deploy_configuration())
    try:
        broken.wait_for_deployment()
        raise AssertionError("a broken script was deployed")
    except WebserviceException as error:
        assert "KeyError: 'gone'" in str(error), error
    assert "KeyError" in broken.get_logs()
    mark("broken")

    with parsing:
        package = Model.package(workspace, [better], good, image_name=f"line-{name}", image_label="1")
    package.wait_for_creation(show_output=False)
    assert package.location.endswith(f"/line-{name}:1") and "line.json" in package.get_logs()
    mark("package")

    for made in (broken, service, production):
        made.delete()
    cluster.delete()
    for version in Model.list(workspace, name=f"line-{name}"):
        version.delete()
    assert not [s for s in Webservice.list(workspace) if s.name.endswith(f"-{name}")]
    mark("cleaned up")


if __name__ == "__main__":
    began = time.monotonic()
    place = Path(sys.argv[2]) if len(sys.argv) > 2 else Path.cwd()
    place.mkdir(exist_ok=True)
    os.chdir(place)
    journey(sys.argv[1], place, lambda step: print(f"{time.monotonic() - began:7.2f} s  {step}", flush=True))
