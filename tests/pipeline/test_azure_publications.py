"""What makes two publications of one build different. Nothing is published here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import provenance
from pipeline.azure.graph import Compute
from pipeline.azure.publishing import AzurePublications
from pipeline.azure.sharing import Sharing
from pipeline.config import PipelineConfig
from pipeline.errors import PipelineConflict
from pipeline.graph import TRAINING
from registry.azure.blobs import BlobFolder
from registry.azure.sign_in import Account
from registry.azure.workspace import AzureWorkspace


@pytest.mark.parametrize("change", ["nothing", "the table", "the lock", "the cluster", "how work is shared"])
def test_what_is_frozen_and_differs_is_not_taken_for_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("a\n1\n")
    lock = tmp_path / "requirements" / "locks" / f"azure-{provenance.python_minor()}.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text("azureml-core==1.61\n")
    compute = Compute("cluster", "training")
    config = PipelineConfig(data_path=str(table))
    workspace = AzureWorkspace(Account("", "", ""))
    kept: dict[str, bytes] = {}
    monkeypatch.setattr(BlobFolder, "read", lambda folder, name: kept[name])
    first = AzurePublications(workspace, tmp_path, compute)
    content = first._content(TRAINING, config)
    document = (
        '{"id": "p", "name": "training", "build_id": "41", "created": "2026-01-01T00:00:00+00:00", "endpoint": "",'
        f' "content": "{content}", "config": {{}}}}'
    )
    kept["training/41.json"] = document.encode()
    if change == "the table":
        table.write_text("a\n2\n")
    if change == "the lock":
        lock.write_text("azureml-core==1.62\n")
    if change == "the cluster":
        compute = replace(compute, cluster="another")
    if change == "how work is shared":
        compute = replace(compute, sharing=Sharing(nodes=2))
    again = AzurePublications(workspace, tmp_path, compute)
    monkeypatch.setattr("pipeline.azure.publishing.endpoints.offer", lambda *_: None)
    monkeypatch.setattr(again, "sdk", lambda published: None)
    if change == "nothing":
        assert again.publish(TRAINING, config, "41").id == "p"
        return
    with pytest.raises(PipelineConflict, match="build 41 has published another training already"):
        again.publish(TRAINING, config, "41")
