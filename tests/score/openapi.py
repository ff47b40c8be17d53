"""The OpenAPI document of ``score/score.py``: made narrow for one model, and what can be sent by its schemas."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.score.hosts import KIT

PATH: Path = KIT / "score" / "swagger3.json"


def document() -> dict[str, Any]:
    """As it is served."""
    loaded: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
    return loaded


def narrowed(features: int, rows: int | None = 5, limit: float | None = 1e6) -> dict[str, Any]:
    """With what the model adds: its number of columns, and a range in which its predictions are finite."""
    narrow = copy.deepcopy(document())
    schemas = narrow["components"]["schemas"]
    if rows is not None:
        schemas["Rows"]["maxItems"] = rows
    schemas["Rows"]["items"].update(minItems=features, maxItems=features)
    if limit is not None:
        schemas["Number"]["anyOf"][0].update(minimum=-limit, maximum=limit)
    return narrow


def resolved(schema: Any, root: dict[str, Any]) -> Any:
    """`schema` without references."""
    if isinstance(schema, list):
        return [resolved(each, root) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found: Any = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            found = found[part]
        return resolved(found, root)
    return {name: resolved(value, root) for name, value in schema.items()}


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What a schema allows, for the keywords that the document's request schemas use."""
    if "anyOf" in schema:
        return st.one_of([values(each) for each in schema["anyOf"]])
    kind = schema["type"]
    if kind == "number":
        low, high = schema.get("minimum"), schema.get("maximum")
        floats = st.floats(low, high, allow_nan=False, allow_infinity=False)
        whole = st.integers(None if low is None else int(low), None if high is None else int(high))
        return floats | whole
    if kind == "boolean":
        return st.booleans()
    if kind == "string":
        # "$" also matches before a newline; JSON Schema's does not.
        return st.from_regex(schema["pattern"].replace("$", r"\Z"), alphabet=st.characters(codec="ascii"))
    if kind == "array":
        return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=schema.get("maxItems"))
    if kind == "object":
        required = {name: values(schema["properties"][name]) for name in schema["required"]}
        return st.fixed_dictionaries(required)
    raise NotImplementedError(kind)
