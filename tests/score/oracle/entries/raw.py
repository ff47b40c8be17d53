"""A run that takes the HTTP request and builds answers itself."""

from azureml.contrib.services.aml_request import AMLRequest, rawhttp  # noqa: F401
from azureml.contrib.services.aml_response import AMLResponse


def init():
    pass


@rawhttp
def run(request):
    want = request.args.get("want", "echo")
    if want == "echo":
        return AMLResponse(request.get_data(), 200)
    if want == "text":
        return AMLResponse("text", 200, {"Content-Type": "text/plain", "x-list": "a, b"})
    if want == "json":
        return AMLResponse({"a": [1, None, "é"]}, 200, json_str=True)
    if want == "none":
        return AMLResponse(None, 204)
    if want == "missing":
        return AMLResponse("not here", 404, {"x-why": "gone"})
    if want == "broken":
        return AMLResponse({"message": "mine"}, 503, json_str=True)
    if want == "method":
        return {"method": request.method, "path": request.path, "query": request.query_string.decode()}
    if want == "form":
        return {"form": sorted(request.form.items())}
    if want == "ids":
        return AMLResponse("x", 200, {"x-request-id": "mine"})
    raise ValueError(want)
