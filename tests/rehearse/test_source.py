from __future__ import annotations

from rehearse.source import loads

TEXT = "jobs:\n- job: A  # first\n  steps: [{bash: echo}]\n"


def test_whoever_reads_a_file_again_gets_a_tree_of_its_own() -> None:
    first, second = loads(TEXT, "main.yml"), loads(TEXT, "main.yml")
    first["jobs"][0]["steps"][0]["bash"] = "false"
    first["jobs"].append("more")
    first["pool"] = "mine"
    assert second == loads(TEXT, "main.yml") == {"jobs": [{"job": "A", "steps": [{"bash": "echo"}]}]}


def test_places_and_comments_are_those_of_the_file_that_is_read() -> None:
    for name in ("main.yml", "other.yml", "main.yml"):
        document = loads(TEXT, name)
        job = document["jobs"][0]
        assert (document.where, job.where, job["job"].where) == (f"{name}:1", f"{name}:2", f"{name}:2")
        assert job["job"].comment == "first"


def test_a_text_that_changed_is_read_anew() -> None:
    assert loads(TEXT.replace("echo", "true"), "main.yml")["jobs"][0]["steps"][0]["bash"] == "true"
