"""The floor: an answer without a prediction, through the same server, with the same headers, key check and log line."""

from azureml.contrib.services.aml_request import rawhttp
from azureml.contrib.services.aml_response import AMLResponse

HEADERS = {"Content-Type": "application/json", "x-model-digest": "sha256:" + "0" * 64}


def init():
    pass


@rawhttp
def run(request):
    return AMLResponse(b'{"result":[191.7843323898426,80.4918334086714]}', 200, HEADERS)
