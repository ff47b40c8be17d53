"""Permissions, by REST: the SDK does not ask for them, `mlops doctor` does."""

from __future__ import annotations

from typing import Any

import requests

from fakes.services.authorization.models import Permissions


def test_an_owner_may_do_anything_and_a_reader_is_told_so(azure: Any, auth: dict[str, str]) -> None:
    scope = f"https://management.azure.com{azure.state.workspace().arm_id}"
    address = f"{scope}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    assert requests.get(address).status_code == 401
    (granted,) = requests.get(address, headers=auth).json()["value"]
    assert granted == {"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}

    azure.state.backend(Permissions).granted = [{"actions": ["*/read"], "notActions": []}]
    (granted,) = requests.get(address, headers=auth).json()["value"]
    assert granted["actions"] == ["*/read"]
    nobody = address.replace(azure.state.workspace().name, "nobody")
    assert requests.get(nobody, headers=auth).status_code == 404
