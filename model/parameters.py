"""Parameters of training: a default, a type and a range each, checked before anything is read or fitted."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.errors import BadParameter


@dataclass(frozen=True)
class Parameter:
    """One parameter; its type is the type of `default`."""

    default: bool | int | float | str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[bool | int | float | str, ...] | None = None
    doc: str = ""

    def check(self, name: str, value: Any) -> bool | int | float | str:
        """Return `value` in the parameter's type. Raises ``BadParameter``."""
        converted = self._convert(name, value)
        if self.choices is not None and converted not in self.choices:
            allowed = ", ".join(str(choice) for choice in self.choices)
            raise BadParameter(f"parameter {name} is {value!r}; it must be one of {allowed}")
        if isinstance(converted, (int, float)) and not isinstance(converted, bool):
            if not math.isfinite(converted):
                raise BadParameter(f"parameter {name} is {value!r}; it must be a finite number")
            if self.minimum is not None and converted < self.minimum:
                raise BadParameter(f"parameter {name} is {value!r}; it must not be less than {self.minimum:g}")
            if self.maximum is not None and converted > self.maximum:
                raise BadParameter(f"parameter {name} is {value!r}; it must not be more than {self.maximum:g}")
        return converted

    def _convert(self, name: str, value: Any) -> bool | int | float | str:
        kind = type(self.default)
        try:
            if kind is bool:
                if isinstance(value, bool):
                    return value
                return {"true": True, "false": False}[str(value).lower()]
            if kind is str:
                return str(value)
            if isinstance(value, bool):
                raise TypeError
            if kind is int:
                if isinstance(value, float) and not value.is_integer():
                    raise ValueError
                return int(value)
            return float(value)
        except (ValueError, KeyError, TypeError, OverflowError):
            word = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
            raise BadParameter(f"parameter {name} is {value!r}; it must be {word}") from None


def resolve(known: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """One checked value for every known parameter: what is given, else its default.

    Raises
    ------
    model.errors.BadParameter
        A name is unknown, or a value is of the wrong type or out of range.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known parameters: {', '.join(sorted(known)) or 'none'}"
            raise BadParameter(f"there is no training parameter {name!r}", hint=hint)
    return {name: known[name].check(name, given.get(name, known[name].default)) for name in sorted(known)}
