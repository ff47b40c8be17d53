"""Entry script: answers ``{"data": [[...], ...]}`` with ``{"result": [...]}``.

One file without imports of this kit: it runs in the kit's own host and, unchanged, in Azure Machine Learning's
inference server. What it does beyond ``model.predict``: a request that the model cannot take gets a 4xx that says which
row and column; large batches may come as NumPy ``.npy`` (``Content-Type: application/x-npy``); every answer says by
``x-model-digest`` which artifact gave it; no answer ever holds NaN or Infinity, which JSON does not have.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

try:
    from azureml.contrib.services.aml_request import rawhttp
    from azureml.contrib.services.aml_response import AMLResponse
except ImportError:
    from azureml_inference_server_http.api.aml_request import rawhttp  # type: ignore[import-not-found]
    from azureml_inference_server_http.api.aml_response import AMLResponse  # type: ignore[import-not-found]

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

JSON = "application/json"
NPY = "application/x-npy"
MAX_DIMENSIONS = 2
FEW = 64
BINARY_TYPES = ("application/octet-stream", "application/vnd.", "multipart/", "image/", "audio/", "video/")


class Refused(Exception):
    """A request that the model cannot take.

    Parameters
    ----------
    status : int
        HTTP status code, 4xx.
    message : str
        What is wrong, and where.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


# ---- the model ------------------------------------------------------------------------------------------------------
def artifact_folder(model_dir: Path) -> Path:
    """The folder of the artifact: Azure puts it, or a folder a version around it, below AZUREML_MODEL_DIR."""
    for pattern in ("manifest.json", "*/manifest.json", "*/*/manifest.json", "model.joblib", "*/model.joblib"):
        found = sorted(model_dir.glob(pattern))
        if len(found) == 1:
            return found[0].parent
        if found:
            raise RuntimeError(f"{model_dir} holds several artifacts: {', '.join(map(str, found))}")
    raise FileNotFoundError(f"no manifest.json or model.joblib in or below {model_dir}")


def tree_digest(folder: Path) -> str:
    """``sha256:`` and the SHA-256 of the artifact's file list in the format of ``sha256sum``, sorted by path."""
    files = {}
    for path in folder.rglob("*"):
        if path.is_file():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
            files[path.relative_to(folder).as_posix()] = digest.hexdigest()
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


class Arithmetic:
    """A model's prediction as NumPy operations, without scikit-learn's cost per call (and without loading it).

    Parameters
    ----------
    program : dict
        ``{"version": 1, "features": n, "steps": [...]}`` as ``python -m score.fastpath`` writes it after comparing it
        with the model's own ``predict``.
    """

    def __init__(self, program: dict[str, Any]) -> None:
        if program.get("version") != 1:
            raise ValueError(f"fast_path version {program.get('version')!r} is not known")
        self.features = int(program["features"])
        self.steps: list[tuple[str, tuple[Any, ...]]] = []
        for step in program["steps"]:
            kind = step["op"]
            if kind in ("standardize", "scale_shift"):
                values: tuple[Any, ...] = tuple(np.array(step[name], dtype=np.float64) for name in ("a", "b"))
            elif kind == "clip":
                values = (float(step["a"]), float(step["b"]))
            elif kind == "linear":
                values = (np.array(step["coef"], dtype=np.float64).T.copy(), np.array(step["intercept"]))
            elif kind == "labels":
                values = (np.array(step["classes"]),)
            else:
                raise ValueError(f"fast_path step {kind!r} is not known")
            self.steps.append((kind, values))
        # Sums and products carry NaN and Infinity on to the result, where they are looked for anyway.
        self.propagates = not any(kind in ("clip", "labels") for kind, _ in self.steps)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Predict. `rows`: float64, (n, features); gives (n,) or (n, outputs)."""
        x = rows
        for kind, values in self.steps:
            if kind == "linear":
                x = x @ values[0] + values[1]
            elif kind == "standardize":
                x = (x - values[0]) / values[1]
            elif kind == "scale_shift":
                x = x * values[0] + values[1]
            elif kind == "clip":
                x = np.clip(x, *values)
            elif x.ndim == 1 or x.shape[1] == 1:
                x = values[0][(x.reshape(-1) > 0).astype(np.intp)]
            else:
                x = values[0][x.argmax(axis=1)]
        return x


class Estimator:
    """A scikit-learn estimator, loaded with joblib."""

    propagates = False

    def __init__(self, path: Path, features: int | None) -> None:
        import joblib

        self.model = joblib.load(path)
        found = getattr(self.model, "n_features_in_", None)
        self.features = features if features is not None else found
        self.columns = getattr(self.model, "feature_names_in_", None)
        self.frame: Any = None
        if self.columns is not None:
            try:
                import pandas

                self.frame = pandas.DataFrame
            except ImportError:
                warnings.filterwarnings("ignore", message="X does not have valid feature names")

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Predict. `rows`: float64, (n, features); gives (n,) or (n, outputs)."""
        if self.frame is not None:
            return np.asarray(self.model.predict(self.frame(rows, columns=self.columns)))
        return np.asarray(self.model.predict(rows))


predict: Any = None
headers: dict[str, str] = {}
json_headers: dict[str, str] = {}


def init() -> None:
    """Load the model from AZUREML_MODEL_DIR."""
    global predict, headers, json_headers
    folder = artifact_folder(Path(os.environ["AZUREML_MODEL_DIR"]))
    headers = {"x-model-digest": tree_digest(folder)}
    json_headers = {"Content-Type": JSON, **headers}
    manifest = json.loads((folder / "manifest.json").read_text("utf-8")) if (folder / "manifest.json").exists() else {}
    program = manifest.get("fast_path")
    if program and os.environ.get("MLOPS_SCORE_FAST_PATH", "1") != "0":
        predict = Arithmetic(program)
    else:
        features = manifest.get("features")
        predict = Estimator(folder / "model.joblib", len(features) if features else None)


# ---- requests -------------------------------------------------------------------------------------------------------
def decode(body: bytes | str, features: int | None) -> Any:
    """The JSON of a body, which is UTF-8 text; NaN and Infinity are no JSON. Raises :class:`Refused`."""
    if not body:
        raise Refused(400, 'The body is empty. Send {"data": [[...], ...]}.')
    try:
        if orjson is not None:
            return orjson.loads(body)
        return json.loads(body if isinstance(body, str) else body.decode("utf-8"), parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise explain(body, features, error) from None


def _not_json(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def explain(body: bytes | str, features: int | None, error: Exception) -> Refused:
    """Why a body is refused: the row and column of a number that JSON or a float cannot hold, if it is that."""
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
        document = json.loads(text)
    except (ValueError, RecursionError):
        if isinstance(error, RecursionError):
            error = ValueError("it is nested too deeply")
        return Refused(400, f"The body is not JSON: {error}")
    try:
        to_rows(document.get("data") if isinstance(document, dict) else document, features)
    except Refused as refusal:
        return refusal
    return Refused(400, f"The body is not JSON: {error}")


def to_rows(data: Any, features: int | None, *, trusting: bool = False) -> np.ndarray:
    """A float64 array (n, features) from a list of rows. Raises :class:`Refused`, naming row and column.

    `trusting` leaves out the search for NaN and Infinity: the caller looks at the result.
    """
    if not isinstance(data, list):
        raise Refused(400, "'data' must be a list of rows")
    if not data:
        raise Refused(400, "'data' holds no rows")
    try:
        rows = np.array(data, dtype=np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise Refused(400, find_fault(data, features)) from None
    if trusting and rows.ndim == MAX_DIMENSIONS and rows.shape[1] == features:
        return rows
    return check_rows(rows, features, data)


def check_rows(rows: np.ndarray, features: int | None, data: Any = None) -> np.ndarray:
    """Check shape and values. Raises :class:`Refused`."""
    if rows.ndim != MAX_DIMENSIONS:
        if data is not None:
            raise Refused(400, find_fault(data, features))
        raise Refused(400, f"The array has {rows.ndim} dimensions, expected 2: rows and columns")
    if not rows.shape[0]:
        raise Refused(400, "The array holds no rows")
    if features is not None and rows.shape[1] != features:
        raise Refused(400, f"Row 0 has {rows.shape[1]} values, expected {features}")
    # The sum of few numbers costs less than looking at each; it is not finite if one of them is not.
    if not math.isfinite(rows.sum()) and not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        what = rows[row, column]
        if data is not None and data[row][column] is None:
            what = "null"
        raise Refused(400, f"Row {row}, column {column} is {what}, not a finite number")
    return rows


def find_fault(data: list[Any], features: int | None) -> str:
    """Which row and column cannot be converted; called when something cannot."""
    width = features
    for i, row in enumerate(data):
        if not isinstance(row, list):
            return f"Row {i} is not a list of numbers"
        width = len(row) if width is None else width
        if len(row) != width:
            return f"Row {i} has {len(row)} values, expected {width}"
        for j, value in enumerate(row):
            try:
                if isinstance(value, (list, dict)):
                    raise TypeError
                float("nan" if value is None else value)
            except (ValueError, TypeError):
                text = f"{value!r:.40}" if not isinstance(value, (list, dict)) else f"a {type(value).__name__}"
                return f"Row {i}, column {j} is {text}, not a number"
            except OverflowError:
                return f"Row {i}, column {j} is an integer too large for a float"
    return "'data' cannot be converted to an array of numbers"


def from_npy(body: bytes, features: int | None) -> np.ndarray:
    """A float64 array from the bytes of a ``.npy`` file, without a copy if it is one. Raises :class:`Refused`.

    The header is checked against the size of the body before anything is allocated; pickled content is refused.
    Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    file = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(file)  # type: ignore[no-untyped-call]
    except (ValueError, EOFError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise Refused(400, f"The body is not a NumPy .npy array: {error}") from None
    if dtype.kind not in "fiub":
        raise Refused(400, f"The body must be a .npy array of numbers, not of {dtype}")
    start, count = file.tell(), math.prod(shape)
    if len(body) - start != count * dtype.itemsize:
        message = f"The .npy header announces {count * dtype.itemsize} bytes of values, there are {len(body) - start}"
        raise Refused(400, message)
    rows = np.frombuffer(body, dtype, count, start).reshape(shape, order="F" if fortran else "C")
    return check_rows(np.ascontiguousarray(rows, dtype=np.float64), features)


def read(request: Any, *, trusting: bool) -> tuple[np.ndarray, bool]:
    """The rows of a request, and whether the answer is to be ``.npy``. Raises :class:`Refused`."""
    if request.environ["REQUEST_METHOD"] == "GET":
        if "data" not in request.args:
            raise Refused(400, "Give the rows as ?data=[[...], ...], or POST them")
        return to_rows(decode(request.args["data"], predict.features), predict.features), False
    environ = request.environ
    encoding = environ.get("HTTP_CONTENT_ENCODING")
    if encoding and encoding.strip().lower() not in ("", "identity"):
        raise Refused(415, f"Content-Encoding {encoding!r:.40} is not supported: send the body as it is")
    kind = environ.get("CONTENT_TYPE", JSON)
    accept = environ.get("HTTP_ACCEPT", "*/*")
    body = request.get_data()
    if kind != JSON:
        kind = kind.partition(";")[0].strip().lower()
        if kind == NPY:
            return from_npy(body, predict.features), NPY in accept or "*/*" in accept
        if kind.startswith(BINARY_TYPES):
            raise Refused(415, f"Content-Type {kind!r:.80} is not supported: send application/json or {NPY}")
    document = decode(body, predict.features)
    if not isinstance(document, dict) or "data" not in document:
        raise Refused(400, 'The body must be a JSON object with the key "data": {"data": [[...], ...]}')
    return to_rows(document["data"], predict.features, trusting=trusting), NPY in accept


# ---- answers --------------------------------------------------------------------------------------------------------
def to_npy(result: np.ndarray) -> bytes:
    """The bytes of a ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, result, allow_pickle=False)
    return file.getvalue()


def dumps(document: dict[str, Any]) -> bytes:
    """JSON, as bytes."""
    return json.dumps(document, allow_nan=False).encode() if orjson is None else orjson.dumps(document)


def to_json(result: np.ndarray) -> bytes:
    """``{"result": [...]}``."""
    if orjson is not None and result.dtype.kind in "fiub" and result.flags.c_contiguous:
        return orjson.dumps({"result": result}, option=orjson.OPT_SERIALIZE_NUMPY)
    return dumps({"result": result.tolist()})


def error(status: int, message: str) -> Any:
    """An answer that says what was wrong; the same form as Azure's server gives."""
    return AMLResponse({"message": message}, status, headers, json_str=True, run_function_failed=status >= 500)


@rawhttp  # type: ignore[untyped-decorator]
def run(request: Any) -> Any:
    """Score one request.

    Parameters
    ----------
    request : flask.Request
        POST with ``{"data": [[...], ...]}`` (JSON) or a two-dimensional ``.npy`` array (``application/x-npy``); GET
        with ``?data=[[...], ...]``. Numbers in the units that the model was trained on, one row an observation.

    Returns
    -------
    AMLResponse
        ``{"result": [...]}``, one prediction a row, or a ``.npy`` array for binary requests; 400 or 415 with
        ``{"message": ...}`` for what cannot be scored.
    """
    if request.environ["REQUEST_METHOD"] not in ("GET", "POST"):
        return AMLResponse("", 200, headers)
    try:
        rows, binary = read(request, trusting=predict.propagates)
        result = predict(rows)
        if result.dtype.kind == "f":
            if not binary and result.ndim == 1 and len(result) <= FEW:
                # For few values plain Python costs less than NumPy.
                values = result.tolist()
                if math.isfinite(sum(values)):
                    return AMLResponse(dumps({"result": values}), 200, json_headers)
            if not math.isfinite(result.sum()) and not np.isfinite(result).all():
                read(request, trusting=False)  # raises Refused if the input is to blame
                row = int(np.argwhere(~np.isfinite(result))[0][0])
                return error(500, f"The prediction for row {row} is not a finite number")
        if binary and result.dtype.kind in "fiubU":
            return AMLResponse(to_npy(result), 200, {"Content-Type": NPY, **headers})
        return AMLResponse(to_json(result), 200, json_headers)
    except Refused as refusal:
        return error(refusal.status, str(refusal))
