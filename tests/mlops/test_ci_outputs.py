"""What a command tells the CI that runs it, and references that come from files."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from mlops.app import UsageMistake
from mlops.ci_outputs import tell
from mlops.references import reference_of
from rehearse.azure.logging_commands import read


def test_azure_reads_back_what_was_told() -> None:
    stream = io.StringIO()
    assert tell({"model": "a;b]%"}, ["model-registered"], environ={"TF_BUILD": "True"}, stream=stream) == "azure"
    output, tag = (read(line) for line in stream.getvalue().splitlines())
    assert output is not None and tag is not None
    assert (output.name, output.properties["variable"], output.flag("isOutput")) == ("task.setvariable", "model", True)
    assert output.text == "a;b]%"
    assert (tag.name, tag.text) == ("build.addbuildtag", "model-registered")


def test_github_gets_lines_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("before=1\n")
    stream = io.StringIO()
    assert tell({"registered": "false"}, ["x"], environ={"GITHUB_OUTPUT": str(file)}, stream=stream) == "github"
    assert (file.read_text(), stream.getvalue()) == ("before=1\nregistered=false\n", "")


def test_elsewhere_nothing_is_written() -> None:
    stream = io.StringIO()
    assert tell({"a": "b"}, environ={}, stream=stream) is None
    assert stream.getvalue() == ""


def test_values_that_would_inject_lines_are_refused() -> None:
    with pytest.raises(ValueError, match="more than one line"):
        tell({"a": "1\nb=2"}, environ={"TF_BUILD": "True"})


def test_references_from_files(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text(json.dumps({"model": "diabetes:3"}))
    assert reference_of(f"@{file}") == "diabetes:3"
    assert reference_of("diabetes@qa") == "diabetes@qa"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*No such file"),
        ("{", "names no model"),
        ('{"model": null, "reason": "kept"}', "no model was registered: kept"),
    ],
)
def test_files_that_name_no_model(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "model.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageMistake, match=message):
        reference_of(f"@{file}")
