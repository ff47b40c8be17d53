"""A run that returns Flask responses."""

import json

from flask import Response, jsonify


def init():
    pass


def run(data):
    kind = json.loads(data).get("kind")
    if kind == "jsonify":
        return jsonify(a=1)
    if kind == "500":
        return Response("bad", status=500)
    if kind == "502":
        return Response("bad", status=502, headers={"x-ms-run-function-failed": "maybe"})
    if kind == "stream":
        return Response((part for part in ("a", "b")), mimetype="text/csv")
    return Response("teapot", status=418, mimetype="text/plain")
