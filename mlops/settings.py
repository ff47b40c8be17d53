"""Settings: defaults, ``mlops.toml``, ``.env``, environment, flags, of rising strength.

Every setting is one row of :data:`mlops.settings_table.TABLE`. A value keeps where it came from, so that
``mlops doctor`` can say it and an error can name file and line.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.settings_table import TABLE, Secret, Setting

FILE = "mlops.toml"
PREFIX = "MLOPS_"
# MLOPS_ variables that are not settings: test switches and what a runner hands to its steps.
RESERVED = ("MLOPS_TEST_", "MLOPS_STEP_", "MLOPS_LIVE_")


class SettingsError(Exception):
    """A setting is unknown or has a bad value.

    Parameters
    ----------
    message : str
        Names the file and line, or the variable or flag.
    hint : str, optional
        The nearest name that exists, or the values that are allowed.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Value:
    """A setting's value and where it came from, such as ``mlops.toml:12`` or ``environment MLOPS_BACKEND``."""

    value: Any
    source: str


class Settings(Mapping[str, Any]):
    """All settings by dotted name, such as ``gate.metric``."""

    def __init__(self, values: Mapping[str, Value], tables: Mapping[str, Mapping[str, Any]]) -> None:
        self._values = dict(values)
        self._tables = dict(tables)
        for name, table in self._tables.items():
            self._values[name] = Value(dict(table), self._values[name].source)

    def __getitem__(self, key: str) -> Any:
        return self._values[key].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def source(self, key: str) -> str:
        """Where a value came from."""
        return self._values[key].source

    def table(self, name: str) -> dict[str, Any]:
        """A free table of ``mlops.toml``, such as ``train.parameters``."""
        return dict(self._tables.get(name, {}))

    def secret(self, key: str) -> str | None:
        """The plain text of a secret setting, to be handed straight to what needs it."""
        value = self._values[key].value
        return value.reveal() if isinstance(value, Secret) else value

    def rows(self) -> list[dict[str, str]]:
        """Name, value (secrets hidden) and source of each setting, for ``mlops doctor``."""
        return [
            {"setting": key, "value": _shown(item.value), "source": item.source} for key, item in self._values.items()
        ]


def load(
    project: Path, overrides: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Read all settings of a project.

    Parameters
    ----------
    project : pathlib.Path
        Folder that may hold ``mlops.toml`` and ``.env``.
    overrides : mapping, optional
        Values of flags, by dotted name.
    environ : mapping, optional
        Default: the environment of this process.

    Raises
    ------
    SettingsError
        A name is unknown or a value is not allowed; the text names the file and line.
    """
    environ = os.environ if environ is None else environ
    by_key = {setting.key: setting for setting in TABLE}
    values = {setting.key: Value(setting.default, "default") for setting in TABLE}
    tables = _read_toml(project / FILE, by_key, values)
    _read_variables(_read_dotenv(project / ".env"), by_key, values, tables)
    _read_variables({name: (text, f"environment {name}") for name, text in environ.items()}, by_key, values, tables)
    for key, text in (overrides or {}).items():
        if key.startswith("train.parameters."):
            tables.setdefault("train.parameters", {})[key.removeprefix("train.parameters.")] = _scalar(text)
            continue
        if key not in by_key:
            raise SettingsError(f"--set {key}: there is no such setting", hint=_nearest(key, by_key))
        values[key] = Value(_parse(by_key[key], text, f"flag for {key}"), "flag")
        if by_key[key].kind == "table":
            tables[key] = dict(values[key].value)
    if values["services.qa"].value == values["services.production"].value:
        raise SettingsError(
            f"{values['services.production'].source}: services.production is {values['services.qa'].value!r}, "
            f"as services.qa is ({values['services.qa'].source})",
            hint="each stage needs a service of its own",
        )
    return Settings(values, tables)


def _read_toml(path: Path, by_key: Mapping[str, Setting], values: dict[str, Value]) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    text = _text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{path.name}: not valid TOML: {error}", hint="see https://toml.io for the syntax"
        ) from None
    tables: dict[str, dict[str, Any]] = {}
    free = {setting.key for setting in TABLE if setting.kind == "table"}

    def walk(prefix: str, node: Mapping[str, Any]) -> None:
        for name, value in node.items():
            key = f"{prefix}{name}"
            where = f"{path.name}:{_line(text, key)}"
            if key in free:
                tables[key] = dict(_parse(by_key[key], value, f"{where}: {key}"))
                values[key] = Value(value, where)
            elif isinstance(value, dict):
                walk(f"{key}.", value)
            elif key not in by_key:
                raise SettingsError(f"{where}: there is no setting {key!r}", hint=_nearest(key, by_key))
            else:
                values[key] = Value(_parse(by_key[key], value, f"{where}: {key}"), where)

    walk("", document)
    return tables


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(
            f"{path.name}:{line}: byte 0x{error.object[error.start]:02x} is not UTF-8", hint="save the file as UTF-8"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path.name} cannot be read: {error.strerror}", hint=f"ls -l {path}") from None


def _line(text: str, key: str) -> int:
    """The line that sets `key`; found by its last name within its table, since the parser keeps no positions."""
    table, _, name = key.rpartition(".")
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if header := re.match(r"\[([^\[\]]+)\]\s*(#.*)?$", stripped):
            current = header[1].replace(" ", "").replace('"', "")
            if current == key:
                return number
        elif re.match(rf"[\"']?({re.escape(name)}|{re.escape(key)})[\"']?\s*[=.]", stripped) and current in (table, ""):
            return number
    return 1


def _read_dotenv(path: Path) -> dict[str, tuple[str, str]]:
    """Names, values and places of a ``.env`` file."""
    if not path.is_file():
        return {}
    from dotenv.parser import parse_stream

    found: dict[str, tuple[str, str]] = {}
    with io.StringIO(_text(path)) as stream:
        for binding in parse_stream(stream):
            text = binding.original.string
            # The parser counts the blank lines before a binding to it.
            blank = text[: len(text) - len(text.lstrip())].count("\n")
            where = f"{path.name}:{binding.original.line + blank}"
            if binding.error:
                start = text.strip().partition("=")[0][:40]
                raise SettingsError(f"{where}: not NAME=VALUE (starts with {start!r})")
            if binding.key is not None and binding.value is not None:
                found[binding.key] = (binding.value, where)
    return found


def _read_variables(
    variables: Mapping[str, tuple[str, str]],
    by_key: Mapping[str, Setting],
    values: dict[str, Value],
    tables: dict[str, dict[str, Any]],
) -> None:
    known = {setting.variable: setting for setting in by_key.values()}
    for setting in by_key.values():
        # Our own name wins over the names that MLOpsPython projects have.
        for name in (*reversed(setting.aliases), setting.variable):
            if name in variables and (variables[name][0] != "" or name == setting.variable):
                text, where = variables[name]
                place = where if where.endswith(name) else f"{where}: {name}"
                values[setting.key] = Value(_parse(setting, text, place), where)
                if setting.kind == "table":
                    tables[setting.key] = dict(values[setting.key].value)
    for name, (_, where) in variables.items():
        if not name.startswith(PREFIX) or name.startswith(RESERVED) or name in known:
            continue
        if name.startswith("MLOPS_TRAIN_PARAMETERS_"):
            parameter = name.removeprefix("MLOPS_TRAIN_PARAMETERS_").lower()
            tables.setdefault("train.parameters", {})[parameter] = _scalar(variables[name][0])
            continue
        raise SettingsError(f"{where}: there is no setting {name}", hint=_nearest(name, known))


def _scalar(text: str) -> Any:
    """A parameter given as text: a number or boolean where it reads as one."""
    import json

    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float)) or value is None else text


def _parse(setting: Setting, value: Any, where: str) -> Any:
    try:
        parsed = setting.parse(value)
    except (TypeError, ValueError) as error:
        shown = "its value" if setting.kind == "secret" else repr(value)
        raise SettingsError(f"{where}: {shown} is not allowed: {error}", hint=setting.help) from None
    return parsed


def _shown(value: Any) -> str:
    """A value as ``mlops.toml`` has it, or nearly: text bare, an empty one as nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, Secret):
        return str(value)
    import json

    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False, default=str)


def _nearest(name: str, known: Mapping[str, Any]) -> str | None:
    # What all variables begin with makes no two of them alike.
    bare = {item.removeprefix(PREFIX): item for item in known}
    near = [bare[item] for item in difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=0.5)]
    return f"did you mean {near[0]!r}?" if near else "mlops doctor --settings lists all settings"
