"""What a graph says: order of nodes, where inputs come from, values of parameters, arguments. Pure functions.

Facts: ``azureml.pipeline.core._aeva_provider`` and ``graph`` of ``azureml-pipeline-core`` 1.62.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fakes.core.errors import bad_request

Document = Mapping[str, Any]

PARAMETER = ("1", "GraphParameterName")
STRUCTURED = "USE_STRUCTURED_ARGUMENTS"
# Ports that carry nothing but order (`run_after`).
ORDER_PREFIX = "_run_after_"


@dataclass(frozen=True)
class Source:
    """Where the data of an input port comes from: an output port of a node, or a dataset node."""

    node_id: str
    port: str
    is_dataset: bool


def ordered(graph: Document) -> list[str]:
    """Ids of the module nodes, each after all that it depends on. Raises ``AzureError`` 400 for a cycle."""
    waiting = {node["Id"]: upstream(graph, node["Id"]) for node in graph["ModuleNodes"]}
    result: list[str] = []
    while waiting:
        ready = [node_id for node_id, needs in waiting.items() if not needs & waiting.keys()]
        if not ready:
            raise bad_request(f"The steps {', '.join(sorted(waiting))} depend on each other in a circle.", "BadRequest")
        result += ready
        for node_id in ready:
            del waiting[node_id]
    return result


def upstream(graph: Document, node_id: str) -> set[str]:
    """Ids of the module nodes whose outputs a node takes."""
    modules = {node["Id"] for node in graph["ModuleNodes"]}
    return {source.node_id for source in sources(graph, node_id).values()} & modules


def sources(graph: Document, node_id: str) -> dict[str, Source]:
    """By input port of a node, where it comes from."""
    datasets = {node["Id"] for node in graph.get("DatasetNodes") or []}
    found = {}
    for edge in graph.get("Edges") or []:
        target, origin = edge["DestinationInputPort"], edge["SourceOutputPort"]
        if target.get("NodeId") == node_id:
            found[target["PortName"]] = Source(origin["NodeId"], origin["PortName"], origin["NodeId"] in datasets)
    return found


def pipeline_outputs(graph: Document) -> dict[str, Source]:
    """By name of a pipeline output, the port that gives it."""
    return {
        edge["DestinationInputPort"]["GraphPortName"]: Source(
            edge["SourceOutputPort"]["NodeId"], edge["SourceOutputPort"]["PortName"], False
        )
        for edge in graph.get("Edges") or []
        if edge["DestinationInputPort"].get("GraphPortName")
    }


def parameters(node: Document, module: Document, assigned: Document) -> dict[str, str | None]:
    """Values of a node's parameters: the module's defaults, over them the node's literals and pipeline parameters."""
    interface = module.get("StructuredInterface") or {}
    values: dict[str, str | None] = {
        item["Name"]: item.get("DefaultValue")
        for kind in ("Parameters", "MetadataParameters")
        for item in interface.get(kind) or []
    }
    for kind in ("ModuleParameters", "ModuleMetadataParameters"):
        for item in node.get(kind) or []:
            value = item.get("Value")
            if str(item.get("ValueType", "0")) in PARAMETER:
                if value not in assigned:
                    raise bad_request(f"The pipeline has no parameter {value}.", code="BadRequest")
                value = assigned[value]
            if value is not None or item["Name"] not in values:
                values[item["Name"]] = None if value is None else str(value)
    return values


def parameter_variables(module: Document, values: Mapping[str, str | None]) -> dict[str, str]:
    """Environment variables that carry parameters to the script."""
    found = {}
    for item in (module.get("StructuredInterface") or {}).get("Parameters") or []:
        value = values.get(item["Name"])
        if item.get("SetEnvironmentVariable") and value is not None:
            fixed = item["Name"].replace(" ", "_").replace("-", "_")
            found[item.get("EnvironmentVariableOverride") or f"AML_PARAMETER_{fixed}"] = value
    return found


def arguments(
    module: Document, values: Mapping[str, str | None], inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> list[str]:
    """The argument list of a node's script.

    Raises
    ------
    AzureError
        400: an argument names a port or parameter that has no value.
    """
    plain = values.get("Arguments")
    if plain and plain != STRUCTURED:
        # Module steps send one text, its parts apart by commas.
        return [_parameter_argument(part, values) for part in plain.split(",")]
    result: list[str] = []
    for item in (module.get("StructuredInterface") or {}).get("Arguments") or []:
        kind, value = str(item.get("ValueType")), item.get("Value")
        table: Mapping[str, str | None] = {"Input": inputs, "Output": outputs, "Parameter": values}.get(kind, {})
        if kind in ("Literal", "0"):
            result.append(str(value))
        elif table.get(str(value)) is not None:
            result.append(str(table[str(value)]))
        elif kind == "Parameter":
            # A parameter without a value leaves nothing behind, not even an empty argument.
            continue
        else:
            raise bad_request(f"The argument {kind} {value} of step {module.get('Name')} has no value.", "BadRequest")
    return result


def _parameter_argument(part: str, values: Mapping[str, str | None]) -> str:
    prefix = "$AML_PARAMETER_"
    found = values.get(part[len(prefix) :]) if part.startswith(prefix) else None
    return part if found is None else found


def fingerprint(module: Document, values: Mapping[str, str | None], feeds: Mapping[str, Any], node: Document) -> str:
    """What a reusable result depends on: the code, the parameters, what flows in, and where outputs go."""
    parts = {
        "module": module.get("IdentifierHash") or module.get("Id"),
        "values": dict(values),
        "feeds": dict(feeds),
        "outputs": node.get("ModuleOutputSettings") or [],
        "runconfig": node.get("Runconfig"),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def output_settings(node: Document, module: Document) -> list[Document]:
    """Settings of the data outputs of a node: its own over the module's, without the ports that only carry order."""
    own = {item["Name"]: item for item in node.get("ModuleOutputSettings") or []}
    result: list[Document] = []
    for item in (module.get("StructuredInterface") or {}).get("Outputs") or []:
        if item.get("SkipProcessing") or item["Name"].startswith(ORDER_PREFIX):
            continue
        chosen = {key: value for key, value in own.get(item["Name"], {}).items() if value is not None}
        result.append({**item, **chosen})
    return result


def input_settings(node: Document, module: Document) -> dict[str, Document]:
    """Settings of the data inputs of a node by port, as for outputs."""
    own = {item["Name"]: item for item in node.get("ModuleInputSettings") or []}
    return {
        item["Name"]: {**item, **{k: v for k, v in own.get(item["Name"], {}).items() if v is not None}}
        for item in (module.get("StructuredInterface") or {}).get("Inputs") or []
        if not item.get("SkipProcessing") and not item["Name"].startswith(ORDER_PREFIX)
    }


def mode(setting: Document) -> str:
    """How a port is bound: none, mount, download, upload, direct."""
    text = str(setting.get("DataStoreMode") or "mount").lower()
    return {"0": "none", "1": "mount", "2": "download", "3": "upload"}.get(text, text)
