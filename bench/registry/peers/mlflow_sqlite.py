"""MLflow on its SQLite store: the leanest public way that copies the artifact."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import logging

logging.disable(logging.WARNING)

from mlflow.tracking import MlflowClient  # noqa: E402  (after the switches above)


class Peer:
    """``MlflowClient`` with tracking and registry in one SQLite file."""

    def __init__(self, folder: Path, artifact: Path) -> None:
        self.folder, self.artifact, self.middle = folder / "mlflow", artifact, 0
        new = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.client = MlflowClient(f"sqlite:///{self.folder}/mlflow.db")
        if new:
            self.experiment = self.client.create_experiment("e", artifact_location=str(self.folder / "artifacts"))
            self.client.create_registered_model("m")
        else:
            self.experiment = self.client.get_experiment_by_name("e").experiment_id

    def prepare(self, count: int) -> None:
        """One real registration, and copies of its rows under the other numbers."""
        self.register()
        with sqlite3.connect(self.folder / "mlflow.db") as base:
            columns = [row[1] for row in base.execute("pragma table_info(model_versions)")]
            chosen = ", ".join("?" if column == "version" else column for column in columns)
            into = f"insert into model_versions ({', '.join(columns)})"
            sql = f"{into} select {chosen} from model_versions where version = 1"
            base.executemany(sql, [(number,) for number in range(2, count + 1)])
            tags = [row[1] for row in base.execute("pragma table_info(model_version_tags)")]
            values = {"key": "n", "name": "m", "workspace": "default"}
            rows = [[{**values, "value": str(n), "version": n}[tag] for tag in tags] for n in range(2, count + 1)]
            base.executemany(
                f"insert into model_version_tags ({', '.join(tags)}) values ({', '.join('?' * len(tags))})", rows
            )
        base.close()
        self.middle = count // 2
        self.client.set_registered_model_alias("m", "production", str(self.middle))

    def register(self) -> None:
        run = self.client.create_run(self.experiment)
        self.client.log_artifact(run.info.run_id, str(self.artifact))
        source = f"{run.info.artifact_uri}/{self.artifact.name}"
        self.client.create_model_version("m", source, run.info.run_id, tags={"n": "x"}, await_creation_for=0)
        self.client.set_terminated(run.info.run_id)

    def latest(self) -> None:
        found = self.client.search_model_versions("name='m'", max_results=1, order_by=["version_number DESC"])
        assert int(found[0].version) >= self.middle

    def by_tag(self) -> None:
        (found,) = self.client.search_model_versions(f"name='m' and tags.n='{self.middle}'")
        assert int(found.version) == self.middle

    def by_alias(self) -> None:
        assert int(self.client.get_model_version_by_alias("m", "production").version) == self.middle

    def list(self) -> None:
        assert len(self.client.search_model_versions("name='m'", max_results=1000)) >= min(1000, self.middle)
