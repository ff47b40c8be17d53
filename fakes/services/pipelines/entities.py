"""Entities of the pipeline service: what all of them have in common, data types, interfaces.

Facts: ``azureml.pipeline.core._restclients.aeva`` of ``azureml-pipeline-core`` 1.62.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fakes.core.errors import bad_request, not_found

Document = dict[str, Any]

ENTITY_STATUS = {"0": "Active", "1": "Deprecated", "2": "Disabled"}

# Identifier, and whether it is a folder. The SDK creates what is missing in the answer, each time.
_DATA_TYPES = {
    "AnyFile": False,
    "AnyDirectory": True,
    "AzureBlobReference": False,
    "AzureDataLakeReference": False,
    "AzureFilesReference": False,
    "AzureSqlDatabaseReference": False,
    "AzurePostgresDatabaseReference": False,
    "AzureDataLakeGen2Reference": False,
    "AzureMLDataset": False,
    "AzureMySqlDatabaseReference": False,
    "DBFSReference": False,
}


class Entities:
    """Tables of entities by kind and id.

    Parameters
    ----------
    store : dict
        Where everything is kept, JSON values only.
    now : callable
        Gives the present as ISO 8601 text.
    new_id : callable
        Gives a fresh GUID as text.
    """

    def __init__(self, store: Document, now: Callable[[], str], new_id: Callable[[], str]) -> None:
        self.store = store
        self.now = now
        self.new_id = new_id

    def table(self, kind: str) -> dict[str, Document]:
        """Entities of a kind by id, oldest first."""
        table: dict[str, Document] = self.store.setdefault(kind, {})
        return table

    def add(self, kind: str, body: Mapping[str, Any], entity_id: str | None = None) -> Document:
        """Keep a new entity; id, etag, times and status are ours."""
        held = dict(body)
        held["Id"] = entity_id or self.new_id()
        held["Etag"] = f'"{self.new_id()}"'
        held["CreatedDate"] = held["LastModifiedDate"] = self.now()
        held.setdefault("EntityStatus", "0")
        self.table(kind)[held["Id"]] = held
        return held

    def get(self, kind: str, entity_id: str) -> Document:
        """Find an entity. Raises ``AzureError`` 404."""
        held = self.table(kind).get(entity_id)
        if held is None:
            raise not_found(f"{kind.rstrip('s')} {entity_id} was not found.", code="NotFound")
        return held

    def update(self, kind: str, entity_id: str, change: Mapping[str, Any]) -> Document:
        """Overwrite the fields that are given; id and creation time stay."""
        held = self.get(kind, entity_id)
        fixed = {"Id", "CreatedDate", "Etag"}
        held.update({name: value for name, value in change.items() if name not in fixed})
        held["Etag"] = f'"{self.new_id()}"'
        held["LastModifiedDate"] = self.now()
        return held

    def listed(self, kind: str, *, active_only: bool) -> list[Document]:
        """Entities of a kind, newest first."""
        items = [item for item in self.table(kind).values() if not active_only or is_active(item)]
        return items[::-1]

    def data_types(self) -> list[Document]:
        """The built-in data types and those that a client created."""
        table = self.table("DataTypes")
        for name, is_directory in _DATA_TYPES.items():
            if name not in table:
                body = {"Name": name, "Description": name, "IsDirectory": is_directory, "ParentDataTypeIds": []}
                self.add("DataTypes", body, name)
        return list(table.values())


def is_active(entity: Mapping[str, Any]) -> bool:
    """Whether an entity is Active (the service has both a number and a word for it)."""
    return str(entity.get("EntityStatus", "0")) in ("0", "Active")


def status_number(status: Any) -> str:
    """The number of an entity status given as number or word. Raises ``AzureError`` 400."""
    text = str(status).strip('"')
    for number, word in ENTITY_STATUS.items():
        if text.lower() in (number, word.lower()):
            return number
    raise bad_request(f"Entity status {status!r} is none of Active, Deprecated, Disabled.", code="BadRequest")


def interface_of(structured: Mapping[str, Any] | None) -> Document:
    """The interface that clients are shown, from the structured one that they sent."""
    sent: Mapping[str, Any] = structured or {}

    def parameter(item: Mapping[str, Any]) -> Document:
        return {
            "Name": item["Name"],
            "DefaultValue": item.get("DefaultValue"),
            "IsOptional": item.get("IsOptional", True),
            "Type": "3",
        }

    return {
        "Parameters": [parameter(item) for item in sent.get("Parameters") or []],
        "MetadataParameters": [parameter(item) for item in sent.get("MetadataParameters") or []],
        "DataPathParameters": [],
        "DataPathParameterList": [],
        "Ports": {
            "Inputs": [
                {
                    "Name": item["Name"],
                    "DataTypesIds": item.get("DataTypeIdsList") or [],
                    "IsOptional": item.get("IsOptional", False),
                }
                for item in sent.get("Inputs") or []
            ],
            "Outputs": [
                {"Name": item["Name"], "DataTypeId": item.get("DataTypeId")} for item in sent.get("Outputs") or []
            ],
        },
    }
