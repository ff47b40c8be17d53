"""Steps of a release to Azure by themselves, with no workspace behind them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deploy.azure.common import untracked

pytestmark = pytest.mark.azure


@pytest.mark.parametrize("how", ["sdk", "git", "tmpdir"])
def test_no_repository_is_found_whatever_points_at_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from azureml._base_sdk_common.tracking import GitTrackingInfoProvider

    checkout = tmp_path / "checkout"
    subprocess.run(["git", "init", "-q", str(checkout)], check=True)
    monkeypatch.chdir(tmp_path)
    if how == "sdk":
        monkeypatch.setenv("AZUREML_GIT_COMMIT", "0123456")
    elif how == "git":
        monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))
    else:
        monkeypatch.setattr("tempfile.tempdir", str(checkout))
    before = dict(os.environ)
    with untracked():
        assert GitTrackingInfoProvider().gather() == {}
    assert dict(os.environ) == before
    assert Path.cwd() == tmp_path
