"""Starting: the ready line, what is refused and how, whose modules win."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.score.client import call, score
from tests.score.conftest import ENTRY, write_model
from tests.score.hosts import Host, host


def refused(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Start a host that must not become ready; its exit status and its log."""
    running = Host(*arguments, env=env)
    try:
        assert running.ready == {}, "it became ready"
        status = running.process.wait(60)
        return status, json.dumps(running.logs())
    finally:
        running.kill()


def test_prints_one_json_line_and_scores(diabetes_dir: Path, diabetes: tuple[Any, np.ndarray]) -> None:
    ready_and_right(diabetes_dir, *diabetes, by_path=True)


def test_is_started_as_a_module(model_dir: Path, line: Any) -> None:
    ready_and_right(model_dir, line, np.linspace(-0.1, 0.1, 30).reshape(3, 10), by_path=False)


def ready_and_right(folder: Path, model: Any, rows: np.ndarray, by_path: bool) -> None:
    with host("--entry-script", ENTRY, "--model-dir", str(folder), by_path=by_path) as running:
        assert running.ready["golden"] == "reproduced"
        answer = score(running.port, {"data": rows[:3].tolist()})
        assert answer.status == 200
        np.testing.assert_allclose(answer.json()["result"], model.predict(rows[:3]), rtol=1e-9)
        assert answer.headers["x-model-digest"] == running.ready["model_digest"]
        assert running.stop() == 0
        assert running.rest == []


def test_digest_is_that_of_the_files(model_dir: Path) -> None:
    folder = model_dir / "line"
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    expected = "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
    with host("--entry-script", ENTRY, "--model-dir", str(model_dir)) as running:
        assert running.ready["model_digest"] == expected


def test_digest_is_the_registrys(model_dir: Path) -> None:
    from registry.digests import tree_digest

    with host("--entry-script", ENTRY, "--model-dir", str(model_dir)) as running:
        assert running.ready["model_digest"] == tree_digest(model_dir / "line")


def edit(path: Path, **changes: Any) -> None:
    document = json.loads(path.read_text())
    document.update(changes)
    path.write_text(json.dumps(document))


def test_other_library_version_is_refused(model_dir: Path) -> None:
    edit(model_dir / "line" / "manifest.json", libraries={"scikit-learn": "0.24.1"})
    status, log = refused("--entry-script", ENTRY, "--model-dir", str(model_dir))
    assert status == 3
    assert "scikit-learn 0.24.1 (here " in log


def test_other_python_is_refused(model_dir: Path) -> None:
    edit(model_dir / "line" / "manifest.json", python="3.7")
    status, log = refused("--entry-script", ENTRY, "--model-dir", str(model_dir))
    assert status == 3
    assert "Python 3.7 (here 3." in log


def test_newer_manifest_is_refused(model_dir: Path) -> None:
    edit(model_dir / "line" / "manifest.json", schema_version=2)
    assert refused("--entry-script", ENTRY, "--model-dir", str(model_dir))[0] == 3


def test_golden_prediction_that_is_not_reproduced_is_refused(model_dir: Path) -> None:
    edit(model_dir / "line" / "golden.json", response={"result": [1.0, 2.0]})
    status, log = refused("--entry-script", ENTRY, "--model-dir", str(model_dir))
    assert status == 3
    assert "response.result[0]: 1.0 became" in log


def test_golden_check_can_be_left_out(model_dir: Path) -> None:
    edit(model_dir / "line" / "golden.json", response={"result": [1.0, 2.0]})
    with host("--entry-script", ENTRY, "--model-dir", str(model_dir), "--no-golden") as running:
        assert running.ready["golden"] == "skipped"


def test_a_failure_with_a_long_message_is_told(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("def init(): raise KeyError('x' * 300_000)\ndef run(data): pass\n")
    status, log = refused("--root", str(tmp_path))
    assert status == 3
    assert "start_failed" in log
    assert "KeyError" in log


def test_truncated_model_is_refused(model_dir: Path) -> None:
    path = model_dir / "line" / "model.joblib"
    path.write_bytes(path.read_bytes()[:100])
    status, log = refused("--entry-script", ENTRY, "--model-dir", str(model_dir))
    assert status == 3
    assert "init() of the entry script failed" in log


def test_missing_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    status, log = refused("--entry-script", ENTRY, "--model-dir", str(tmp_path / "empty"))
    assert status == 3
    assert "no manifest.json or model.joblib" in log


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("def run(data): pass", "has no function init()"),
        ("def init(): pass", "has no function run()"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("def init(:", "SyntaxError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("def init(): raise ValueError('no weights')\ndef run(data): pass", "ValueError: no weights"),
        ("def init(): raise SystemExit(0)\ndef run(data): pass", "SystemExit"),
        ("import os\ndef init(): os._exit(0)\ndef run(data): pass", "ended before it was ready"),
        ("import os\ndef init(): os.kill(os.getpid(), 11)\ndef run(data): pass", "signal 11"),
        ("def init(): pass\ndef run(): pass", "no parameter for the input"),
        ("def init(): pass\ndef run(*data): pass", "*args"),
        ("def init(): pass\ndef run(request_headers): pass", "no parameter for the input"),
    ],
)
@pytest.mark.slow
def test_bad_entry_script_is_exit_3(script: Callable[[str], str], text: str, cause: str) -> None:
    status, log = refused("--entry-script", script(text))
    assert status == 3
    assert cause in log


def test_missing_entry_script_is_exit_3() -> None:
    status, log = refused("--entry-script", "/no/such/script.py")
    assert status == 3
    assert "does not exist" in log


def test_port_taken_is_exit_4(model_dir: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        status, log = refused(
            "--entry-script", ENTRY, "--model-dir", str(model_dir), "--port", str(sock.getsockname()[1])
        )
    assert status == 4
    assert "cannot listen on 127.0.0.1" in log


@pytest.mark.parametrize(
    ("flags", "env"),
    [
        (["--workers", "0"], {}),
        (["--port", "70000"], {}),
        (["--model-dir", "/no/such/folder"], {}),
        ([], {"SCORING_TIMEOUT_MS": "soon"}),
        ([], {"WORKER_COUNT": "-1"}),
        (["--no-such-flag"], {}),
    ],
)
def test_bad_setting_is_exit_2(flags: list[str], env: dict[str, str]) -> None:
    running = Host("--entry-script", ENTRY, *flags, env=env)
    try:
        assert running.process.wait(60) == 2
    finally:
        running.kill()


def test_the_users_modules_win(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in ("model", "registry", "tests", "deploy", "mlops", "pipeline", "fakes"):
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text(f"WHO = 'mine {name}'\n")
    (project / "helper.py").write_text("WHO = 'mine helper'\n")
    (project / "score.py").write_text(
        "import model, registry, tests, deploy, mlops, pipeline, fakes, helper\n"
        "import score\n"
        "def init(): pass\n"
        "def run(data):\n"
        "    them = (model, registry, tests, deploy, mlops, pipeline, fakes, helper)\n"
        "    return [m.WHO for m in them] + [score.__file__]\n"
    )
    with host("--entry-script", "score.py", "--root", str(project), cwd=tmp_path) as running:
        found = score(running.port, "x").json()
    assert found[:-1] == [
        f"mine {n}" for n in ["model", "registry", "tests", "deploy", "mlops", "pipeline", "fakes", "helper"]
    ]
    assert found[-1] == str(project / "score.py")


def test_main_module_without_entry_script(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("def init(): pass\ndef run(data): return 'main'\n")
    with host("--root", str(tmp_path)) as running:
        assert score(running.port, "x").json() == "main"


def test_driver_module(script: Callable[..., str]) -> None:
    script("def init(): pass\ndef run(data): return 'real'\n", "real.py")
    path = script(
        "import importlib.util, os\n"
        "spec = importlib.util.spec_from_file_location('real', os.path.join(os.path.dirname(__file__), 'real.py'))\n"
        "driver_module = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(driver_module)\n"
        "def init(): driver_module.init()\ndef run(data): return 'driver'\n"
    )
    with host("--entry-script", path) as running:
        assert score(running.port, "x").json() == "real"


def test_own_swagger_file_wins(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("def init(): pass\ndef run(data): return 1\n")
    (tmp_path / "swagger.json").write_text('{"swagger": "2.0", "mine": 2}')
    (tmp_path / "swagger3.json").write_text('{"openapi": "3.0.3", "mine": 3}')
    with host("--root", str(tmp_path)) as running:
        assert call(running.port, "GET", "/swagger.json").json()["mine"] == 2
        assert call(running.port, "GET", "/swagger.json?version=3").json()["mine"] == 3
        assert "mine" not in call(running.port, "GET", "/swagger.json?version=3.1").json()


def test_settings_from_azures_config_file(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("def init(): pass\ndef run(data): return 1\n")
    (tmp_path / "config.json").write_text('{"SERVICE_NAME": "from-file"}')
    with host("--root", str(tmp_path), env={"AML_APP_ROOT": str(tmp_path)}) as running:
        assert call(running.port, "GET", "/swagger.json").json()["info"]["title"] == "from-file"


def test_fitted_on_a_data_frame(tmp_path: Path) -> None:
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    model = make_pipeline(
        make_column_transformer((StandardScaler(), ["b"]), remainder="passthrough"), DecisionTreeClassifier()
    ).fit(frame, ["no", "no", "yes", "yes"])
    folder = tmp_path / "models" / "m"
    rows = frame.to_numpy()
    folder.parent.mkdir()
    write_model(folder, _ByFrame(model), rows)
    import joblib

    joblib.dump(model, folder / "model.joblib")
    with host("--entry-script", ENTRY, "--model-dir", str(folder.parent)) as running:
        assert score(running.port, {"data": [[0, 1], [3, 0]]}).json() == {"result": ["no", "yes"]}


class _ByFrame:
    """Gives `write_model` the answers of a model that wants a data frame."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, rows: np.ndarray) -> Any:
        import pandas as pd

        return self.model.predict(pd.DataFrame(rows, columns=["a", "b"]))
