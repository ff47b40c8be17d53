"""Settings: layers, sources, errors that name file and line, secrets."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from mlops.settings import SettingsError, load
from mlops.settings_table import TABLE, Secret


def write(project: Path, toml: str = "", dotenv: str = "") -> Path:
    (project / "mlops.toml").write_text(toml)
    if dotenv:
        (project / ".env").write_text(dotenv)
    return project


def test_each_layer_beats_the_one_below_and_says_where_it_came_from(tmp_path: Path) -> None:
    empty = load(tmp_path, environ={})
    assert (empty["gate.metric"], empty.source("gate.metric")) == ("mse", "default")
    write(tmp_path, '[gate]\nmetric = "mae"\n')
    assert load(tmp_path, environ={}).source("gate.metric") == "mlops.toml:2"
    write(tmp_path, '[gate]\nmetric = "mae"\n', "\nMLOPS_GATE_METRIC=rmse\n")
    dotenv = load(tmp_path, environ={})
    assert (dotenv["gate.metric"], dotenv.source("gate.metric")) == ("rmse", ".env:2")
    variable = load(tmp_path, environ={"MLOPS_GATE_METRIC": "r2"})
    assert (variable["gate.metric"], variable.source("gate.metric")) == ("r2", "environment MLOPS_GATE_METRIC")
    flag = load(tmp_path, {"gate.metric": "accuracy"}, environ={"MLOPS_GATE_METRIC": "r2"})
    assert (flag["gate.metric"], flag.source("gate.metric")) == ("accuracy", "flag")


def test_names_of_mlopspython_projects_are_understood_and_ours_win(tmp_path: Path) -> None:
    old = {"WORKSPACE_NAME": "w", "RESOURCE_GROUP": "g", "SUBSCRIPTION_ID": "s", "TENANT_ID": "t", "SP_APP_ID": "a"}
    old |= {"SP_APP_SECRET": "hush", "MODEL_NAME": "m", "EXPERIMENT_NAME": "e", "BUILD_BUILDID": "77"}
    settings = load(tmp_path, environ=old)
    keys = ["azure.workspace", "azure.resource_group", "azure.subscription_id", "azure.tenant_id", "azure.client_id"]
    keys += ["model.name", "model.experiment", "build.id"]
    assert [settings[key] for key in keys] == ["w", "g", "s", "t", "a", "m", "e", "77"]
    assert settings.secret("azure.client_secret") == "hush"
    assert load(tmp_path, environ=old | {"MLOPS_MODEL_NAME": "mine"})["model.name"] == "mine"


@pytest.mark.parametrize(
    ("toml", "line", "part"),
    [
        ('backend = "local"\n\n[gate]\nmetrik = "mse"\n', 4, "metrik"),
        ("[gate]\nmargin = -1\n", 2, "at least 0"),
        ('backend = "aws"\n', 1, "local, azure"),
        ("[train]\n# a comment\nseed = 1.5\n", 3, "whole number"),
        ('[data]\ntest_size = "half"\n', 2, "half"),
        ("[services]\nworkers = 0\n", 2, "at least 1"),
        ('[train]\nparameters = "x"\n', 2, "table"),
        ("services.cpu = true\n", 1, "number"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(tmp_path: Path, toml: str, line: int, part: str) -> None:
    write(tmp_path, toml)
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, environ={})
    assert f"mlops.toml:{line}" in str(caught.value)
    assert part in str(caught.value)


def test_a_mistake_in_dotenv_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, dotenv="# note\nMLOPS_GATE_METRIK=mse\n")
    with pytest.raises(SettingsError, match=r"\.env:2.*MLOPS_GATE_METRIK") as caught:
        load(tmp_path, environ={})
    assert "MLOPS_GATE_METRIC" in (caught.value.hint or "")
    write(tmp_path, dotenv="ok=1\nthis is no assignment\n")
    with pytest.raises(SettingsError, match=r"\.env:2"):
        load(tmp_path, environ={})


def test_broken_toml_and_unknown_flags_and_variables_are_named(tmp_path: Path) -> None:
    write(tmp_path, "backend = \n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load(tmp_path, environ={})
    write(tmp_path)
    with pytest.raises(SettingsError, match=r"gate\.metrik"):
        load(tmp_path, {"gate.metrik": "x"}, environ={})
    with pytest.raises(SettingsError, match="MLOPS_BAKEND"):
        load(tmp_path, environ={"MLOPS_BAKEND": "local"})


def test_parameters_come_from_the_file_a_variable_or_a_flag(tmp_path: Path) -> None:
    write(tmp_path, "[train.parameters]\nalpha = 0.4\n")
    assert load(tmp_path, environ={}).table("train.parameters") == {"alpha": 0.4}
    assert load(tmp_path, environ={"MLOPS_TRAIN_PARAMETERS_ALPHA": "0.5"}).table("train.parameters") == {"alpha": 0.5}
    flag = load(tmp_path, {"train.parameters.alpha": "2"}, environ={})
    assert flag.table("train.parameters") == {"alpha": 2}


def test_a_secret_never_shows_itself(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={"SP_APP_SECRET": "hush-hush"})
    shown = f"{settings['azure.client_secret']!r} {settings['azure.client_secret']} {settings.rows()} {vars(settings)}"
    assert "hush" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(Secret("hush"))


def test_every_setting_accepts_its_own_default() -> None:
    for setting in TABLE:
        if setting.kind not in ("secret", "table"):
            default = list(setting.default) if setting.kind == "list" else setting.default
            assert setting.parse(default) == setting.default, setting.key


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("MLOPS_STATE", "", "must not be empty"),
        ("MLOPS_MODEL_NAME", "", "begin with a letter or digit"),
        ("MLOPS_MODEL_NAME", "bad name", "begin with a letter or digit"),
        ("MLOPS_MODEL_EXPERIMENT", "a/b", "begin with a letter or digit"),
        ("MLOPS_SERVICES_QA", "Q", "3 to 32 lower-case letters"),
        ("MLOPS_DATA_TEST_SIZE", "half", "it must be a number"),
        ("MLOPS_TRAIN_SEED", "1.5", "it must be a whole number"),
        ("MLOPS_TRAIN_SEED", "-1", "at most 4294967295"),
        ("MLOPS_TRAIN_PARAMETERS", "{bad", "an object of JSON"),
        ("MLOPS_TRAIN_SEARCH", "[1]", "an object of JSON"),
    ],
)
def test_what_could_only_fail_later_is_refused_at_once(tmp_path: Path, variable: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, environ={variable: value})
    text = str(caught.value)
    assert words in text
    assert text.startswith(f"environment {variable}: {value!r}")  # the name once
    with pytest.raises(SettingsError, match=f"[.]env:1: {variable}: "):
        load(write(tmp_path, dotenv=f"{variable}='{value}'\n"), environ={})


def test_two_stages_cannot_share_a_service(tmp_path: Path) -> None:
    write(tmp_path, '[services]\nqa = "one-service"\nproduction = "one-service"\n')
    with pytest.raises(SettingsError, match=r"mlops\.toml:3.*'one-service'.*mlops\.toml:2") as caught:
        load(tmp_path, environ={})
    assert "each stage" in (caught.value.hint or "")


def test_a_table_may_be_given_as_json(tmp_path: Path) -> None:
    write(tmp_path, "[train.parameters]\nalpha = 0.4\nother = 1\n")
    variable = load(tmp_path, environ={"MLOPS_TRAIN_PARAMETERS": '{"alpha": 2}', "MLOPS_TRAIN_PARAMETERS_BETA": "3"})
    assert variable.table("train.parameters") == variable["train.parameters"] == {"alpha": 2, "beta": 3}
    flag = load(tmp_path, {"train.search": '{"alpha": [1, 2]}'}, environ={})
    assert flag.table("train.search") == {"alpha": [1, 2]}


def test_settings_are_shown_as_the_file_has_them(tmp_path: Path) -> None:
    shown = {row["setting"]: row["value"] for row in load(tmp_path, environ={}).rows()}
    assert (shown["model.code"], shown["gate.evaluate"], shown["train.parameters"]) == ('["model"]', "true", "{}")
    assert (shown["backend"], shown["data.path"], shown["azure.client_secret"]) == ("local", "", "")


def test_what_all_variables_begin_with_is_no_likeness(tmp_path: Path) -> None:
    for name, hint in (("MLOPS_NOPE", "mlops doctor --settings"), ("MLOPS_GATE_METRIK", "'MLOPS_GATE_METRIC'")):
        with pytest.raises(SettingsError) as caught:
            load(tmp_path, environ={name: "1"})
        assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["mlops.toml", ".env"])
def test_a_file_that_is_no_text_is_named_with_the_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"# first\n# caf\xe9\n")
    with pytest.raises(SettingsError, match=rf"^{name}:2: byte 0xe9 is not UTF-8") as caught:
        load(tmp_path, environ={})
    assert "UTF-8" in (caught.value.hint or "")
