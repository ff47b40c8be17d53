"""OpenAPI documents of the service: the user's own files, else one built from the entry script's schemas.

The generated documents have the shape of those of azureml-inference-server-http 1.5: versions 2 (the default), 3 and
3.1, with the operations ``ServiceHealthCheck``, ``RunMLService`` and ``GetSwaggerSpec``.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from . import log
from .errors import ScriptError
from .script import EntryScript
from .settings import Settings

Document = dict[str, Any]
ALIASES = {"2": "2", "2.0": "2", "3": "3", "3.0": "3", "3.1": "3.1"}
FILES = {"2": ("swagger.json", "swagger2.json"), "3": ("swagger3.json",), "3.1": ("swagger3.1.json",)}
ERROR_SCHEMA: Document = {"type": "object", "properties": {"message": {"type": "string"}}}
HEALTHY = "If service is up and running, this response will be returned with the content 'Healthy'"
SCORED = "The service processed the input correctly and provided a result prediction, if applicable."
FAILED = "The service failed to execute due to an error."
SECURITY: Document = {
    "Bearer": {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "description": "For example: Bearer abc123",
    }
}


class UnknownVersion(Exception):
    """No document of that version; the message names those that there are."""


class Swagger:
    """The documents of one entry script, by version."""

    def __init__(self, script: EntryScript, settings: Settings) -> None:
        self.documents: dict[str, Document] = {}
        for version in FILES:
            document = _own_file(version, settings) or _generate(version, script, settings)
            if document is not None:
                self.documents[version] = document

    def get(self, version: str) -> Document:
        """The document of a version or its alias. Raises :class:`UnknownVersion`."""
        known = ", ".join(sorted(self.documents))
        if version not in ALIASES:
            raise UnknownVersion(f"Swagger version [{version}] is not valid. Supported versions: [{known}].")
        document = self.documents.get(ALIASES[version])
        if document is None:
            raise UnknownVersion(
                f"Swagger version [{version}] is not supported for the scoring script. "
                f"Supported swagger versions: [{known}]."
            )
        return document


def _own_file(version: str, settings: Settings) -> Document | None:
    folders = [settings.root]
    if settings.entry_script is not None:
        folders.append(settings.entry_script.parent)
    for folder in folders:
        for name in FILES[version]:
            path: Path = folder / name
            if not path.is_file():
                continue
            try:
                document = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise ScriptError(f"{path} cannot be read: {error}", "mend or remove the file") from None
            if document:
                log.line("info", "swagger_file", version=version, path=str(path))
                return dict(document)
    return None


def _schemas(version: str, script: EntryScript) -> tuple[Document, Document] | None:
    if not script.decorated:
        empty: Document = {"type": "object", "example": {}}
        return empty, empty
    util = importlib.import_module("inference_schema.schema_util")
    aliases = {name for name, target in ALIASES.items() if target == version}
    if not aliases & set(util.get_supported_versions(script.run)):
        return None
    return util.get_input_schema(script.run), util.get_output_schema(script.run)


def _generate(version: str, script: EntryScript, settings: Settings) -> Document | None:
    schemas = _schemas(version, script)
    if schemas is None:
        return None
    info = {
        "title": settings.service_name,
        "description": f"API specification for the Azure Machine Learning service {settings.service_name}",
        "version": settings.service_version,
    }
    prefix = settings.service_path_prefix.strip("/")
    prefix = f"/{prefix}" if prefix else ""
    return _version2(info, prefix, *schemas) if version == "2" else _version3(version, info, prefix, *schemas)


def _paths(prefix: str, answer: Any, parts: Document, version_parameter: Document) -> Document:
    """The three operations; `answer(description, reference, media)` builds a response object."""

    def responses(good: Document) -> Document:
        return {"200": good, "default": answer(FAILED, "ErrorResponse")}

    return {
        f"{prefix}/": {
            "get": {
                "operationId": "ServiceHealthCheck",
                "description": "Simple health check endpoint to ensure the service is up at any given point.",
                "responses": responses(parts["health"]),
            }
        },
        f"{prefix}/score": {
            "post": {
                "operationId": "RunMLService",
                "description": "Run web service's model and get the prediction output",
                "security": [{"Bearer": []}],
                **parts["input"],
                "responses": responses(answer(SCORED, "ServiceOutput")),
            }
        },
        f"{prefix}/swagger.json": {
            "get": {
                "operationId": "GetSwaggerSpec",
                "description": "Get the Swagger specification.",
                "parameters": [{"name": "version", "in": "query", "required": False, **version_parameter}],
                "responses": responses(parts["swagger"]),
            }
        },
    }


def _version2(info: Document, prefix: str, given: Document, returned: Document) -> Document:
    def answer(description: str, name: str) -> Document:
        return {"description": description, "schema": {"$ref": f"#/definitions/{name}"}}

    body = {
        "name": "serviceInputPayload",
        "in": "body",
        "description": "The input payload for executing the real-time machine learning service.",
        "schema": {"$ref": "#/definitions/ServiceInput"},
    }
    parts: Document = {
        "health": {
            "description": HEALTHY,
            "schema": {"type": "string"},
            "examples": {"application/json": "Healthy"},
        },
        "input": {"parameters": [body]},
        "swagger": {"description": "The Swagger specification.", "schema": {"type": "string"}},
    }
    return {
        "swagger": "2.0",
        "info": info,
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": SECURITY,
        "paths": _paths(prefix, answer, parts, {"type": "integer", "enum": [2, 3]}),
        "definitions": {"ServiceInput": given, "ServiceOutput": returned, "ErrorResponse": ERROR_SCHEMA},
    }


def _version3(version: str, info: Document, prefix: str, given: Document, returned: Document) -> Document:
    def content(schema: Document, media: str = "application/json") -> Document:
        return {"content": {media: {"schema": schema}}}

    def answer(description: str, name: str) -> Document:
        return {"description": description, **content({"$ref": f"#/components/schemas/{name}"})}

    body = {
        "description": "The input payload for executing the real-time machine learning service.",
        **content({"$ref": "#/components/schemas/ServiceInput"}),
    }
    parts: Document = {
        "health": {"description": HEALTHY, **content({"type": "string", "example": "Healthy"}, "text/plain")},
        "input": {"requestBody": body},
        "swagger": {"description": "The Swagger specification.", **content({"type": "string"}, "text/plain")},
    }
    return {
        "openapi": "3.1.0" if version == "3.1" else "3.0.3",
        "info": info,
        "security": [{"Bearer": []}],
        "paths": _paths(prefix, answer, parts, {"schema": {"type": "integer", "enum": [2, 3]}}),
        "components": {
            "schemas": {"ServiceInput": given, "ServiceOutput": returned, "ErrorResponse": ERROR_SCHEMA},
            "securitySchemes": SECURITY,
        },
    }
