"""Discovery: every key that the SDK needs, without signing in."""

from __future__ import annotations

import requests

API = "https://westeurope.api.azureml.ms"


def test_six_keys_at_both_addresses(azure):
    keys = {"api", "history", "modelmanagement", "experimentation", "hyperdrive", "studio"}
    for url in (f"{API}/discovery", f"{API}/discovery{azure.state.workspace().arm_id}"):
        found = requests.get(url).json()
        assert set(found) == keys and set(found.values()) == {API}


def test_cloud_metadata(azure):
    found = requests.get("https://management.azure.com/metadata/endpoints", params={"api-version": "2019-05-01"}).json()
    assert found[0]["name"] == "AzureCloud" and found[0]["suffixes"]["storage"] == "core.windows.net"
