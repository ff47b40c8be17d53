"""JSON Schema validators. Import them from here: `jsonschema` alone takes a second to build grammars of its formats."""

from __future__ import annotations

import sys
from typing import Any

# Nothing here checks formats, those of IRIs included; a name that is None in `sys.modules` counts as not installed.
_absent = "rfc3987_syntax" not in sys.modules
if _absent:
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
try:
    from jsonschema import Draft7Validator, Draft202012Validator
finally:
    if _absent:
        del sys.modules["rfc3987_syntax"]

__all__ = ["Draft7Validator", "Draft202012Validator", "checked"]


def checked(schema: dict[str, Any]) -> Draft202012Validator:
    """A validator of a schema that is one itself. Make it once: checking the schema costs more than using it."""
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
