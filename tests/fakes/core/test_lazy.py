"""What is not needed is not loaded: turning the fake on must not take long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import fakes
from fakes.core.application import discover
from fakes.core.handlers import Handler, Handlers

ROOT = Path(__file__).parents[3]


def _fresh(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_every_handler_of_the_route_table_is_there() -> None:
    handlers = [route.handler for service in discover() for route in service.routes]
    assert all(isinstance(handler, Handler) for handler in handlers)
    assert all(callable(handler.resolve()) for handler in handlers)  # type: ignore[attr-defined]


def test_a_handler_that_is_not_there_is_named() -> None:
    handler = Handlers("fakes.services.discovery.responses").no_such_thing
    with pytest.raises(AttributeError, match="no_such_thing"):
        handler.resolve()


def test_turning_the_fake_on_loads_no_service_and_a_request_only_what_it_needs() -> None:
    program = """
import json, sys
import fakes, requests
def loaded():
    return sorted(n for n in sys.modules if n == "werkzeug" or n.startswith("fakes.") and n.endswith(".responses"))
with fakes.mock_azure() as fake:
    first = loaded()
    requests.get("https://westeurope.api.azureml.ms/discovery")
    print(json.dumps([first, loaded(), len(fake.application.operations)]))
"""
    on, asked, operations = json.loads(_fresh(program))
    assert on == []
    assert asked == ["fakes.services.discovery.responses", "werkzeug"]
    assert operations > 200


def test_a_state_is_loaded_by_a_process_that_has_no_service_yet(tmp_path: Path) -> None:
    with fakes.mock_azure() as fake:
        from fakes.services.compute.models import Computes
        from fakes.services.models.models import ModelsBackend

        fake.state.backend(Computes)
        fake.state.backend(ModelsBackend)
        (tmp_path / "state.json").write_text(json.dumps(fake.state.export()))
    program = """
import json, sys
import fakes
with fakes.mock_azure() as fake:
    fake.state.load(json.load(open(sys.argv[1])))
    print(sorted(fake.state.export()["services"]))
"""
    assert _fresh(program, str(tmp_path / "state.json")).strip() == "['compute', 'models']"
