"""Actions that roles allow, as Azure reads them."""

from __future__ import annotations

import pytest

from registry.azure.permissions import NEEDED, allowed

ML = "Microsoft.MachineLearningServices/workspaces"
# Definitions: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
READER = [{"actions": ["*/read"], "notActions": []}]
OWNER = [{"actions": ["*"], "notActions": []}]
SCIENTIST = [
    {
        "actions": [f"{ML}/*/read", f"{ML}/*/action", f"{ML}/*/delete", f"{ML}/*/write"],
        "notActions": [f"{ML}/delete", f"{ML}/write", f"{ML}/computes/*/write", f"{ML}/listKeys/action"],
    }
]


@pytest.mark.parametrize("action", NEEDED.values())
def test_roles_that_are_enough_and_one_that_is_not(action: str) -> None:
    assert allowed(action, OWNER)
    assert allowed(action, SCIENTIST)
    assert not allowed(action, READER)
    assert not allowed(action, [])


def test_what_one_role_takes_away_another_may_give() -> None:
    write = f"{ML}/computes/aks/write"
    assert not allowed(write, SCIENTIST)
    assert allowed(write, [*SCIENTIST, {"actions": [write.upper()]}])


def test_a_dot_is_a_dot() -> None:
    assert not allowed(
        "Microsoft-MachineLearningServices/workspaces/models/write", [{"actions": [f"{ML}/models/write"]}]
    )
