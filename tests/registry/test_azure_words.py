"""What the SDK raises, in the words of this room: kind, secrets, and silence under threads."""

from __future__ import annotations

import contextlib
import logging
import sys

import pytest

from registry.azure.workspace import quiet, translate
from registry.errors import Conflict, NotFound, RegistryError, Unavailable


class SdkError(Exception):
    """As the clients raise them: a text, and a status if there was an answer."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status_code = status


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SdkError("WebserviceNotFound: no line-qa"), NotFound),
        (SdkError("gone", 404), NotFound),
        (SdkError("Response Code: 404\nContent: x"), NotFound),
        (SdkError("ModelNotFound", 400), NotFound),
        (SdkError("Resource exists", 409), Conflict),
        # nothing is created anew because of these
        (SdkError("The backend of this gateway was not found", 502), Unavailable),
        (SdkError("Response Code: 503\nContent: upstream not found"), Unavailable),
        (SdkError("route not found, slow down", 429), Unavailable),
        (SdkError("AADSTS700016: Application with identifier 'x' was not found in the directory"), Unavailable),
        (SdkError("Forbidden: principal not found", 403), Unavailable),
    ],
    ids=str,
)
def test_what_an_answer_means(error: SdkError, kind: type[RegistryError]) -> None:
    assert type(translate(error, "service line-qa")) is kind


@pytest.mark.parametrize(
    "text",
    [
        "Max retries exceeded with url: /azureml/x.txt?sv=2019-07-07&sr=b&sig=abc%2Fdef%3D&se=2026",
        'Content: {"error": {"message": "cannot read https://a.blob.core.windows.net/c/b?sig=abc%2Fdef%3D now"}}',
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc/def==;EndpointSuffix=core.windows.net",
    ],
)
def test_what_lets_others_in_is_not_shown(text: str) -> None:
    shown = str(translate(SdkError(text), "file x.txt"))
    assert "abc" not in shown
    assert "=***" in shown


def test_of_several_that_are_quiet_the_last_one_puts_back(capsys: pytest.CaptureFixture[str]) -> None:
    out, level = sys.stdout, logging.root.manager.disable
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        first.enter_context(quiet())  # two threads that do not end in the order in which they began
        second.enter_context(quiet())
        first.close()
        print("noise")
    assert (sys.stdout, logging.root.manager.disable) == (out, level)
    print("data")
    assert capsys.readouterr().out == "data\n"
