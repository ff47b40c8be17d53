"""Find out whether a model's prediction is plain arithmetic, and write that into its manifest.

``python -m score.fastpath MODEL_FOLDER`` loads ``model.joblib`` (run it in a child process: loading runs the
artifact's code), translates the estimator into the steps that ``score/score.py`` understands, compares both on real
rows, and sets ``fast_path`` in ``manifest.json``. An estimator that is not covered, or that does not agree, gets
``null`` and is served through its own ``predict``. The digest of the artifact changes when the manifest does: run it
before the model is registered. ``--check`` changes nothing and fails when the manifest does not hold what would be
written.

Why not ONNX Runtime by way of skl2onnx: it computes these models in single precision unless each input and operator
is declared otherwise, adds some 20 MB and a second numeric library to the scoring image, and still must be compared
with ``predict``; a linear model is one matrix product.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Step = dict[str, Any]
REGRESSORS = (
    "LinearRegression",
    "Ridge",
    "RidgeCV",
    "Lasso",
    "LassoCV",
    "ElasticNet",
    "ElasticNetCV",
    "Lars",
    "LarsCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "BayesianRidge",
    "ARDRegression",
    "HuberRegressor",
    "SGDRegressor",
    "TheilSenRegressor",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "PassiveAggressiveRegressor",
    "LinearSVR",
)
CLASSIFIERS = (
    "LogisticRegression",
    "LogisticRegressionCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
    "Perceptron",
    "PassiveAggressiveClassifier",
    "LinearSVC",
)
RTOL = 1e-9
"""Greatest relative difference from ``predict``: rounding, since the operations are the same in another order."""


class NotCovered(Exception):
    """The estimator has no translation; the message says why."""


def _floats(values: Any) -> Any:
    array = np.asarray(values)
    if array.dtype != np.float64:
        raise NotCovered(f"it holds {array.dtype} values, not float64")
    if not np.isfinite(array).all():
        raise NotCovered("it holds values that are not finite")
    return array.tolist()


def _sklearn_name(estimator: Any) -> str:
    # The exact class: a subclass may override anything.
    kind = type(estimator)
    return kind.__name__ if kind.__module__.split(".")[0] == "sklearn" else f"{kind.__module__}.{kind.__qualname__}"


def _scaler(step: Any) -> list[Step]:
    name, width = _sklearn_name(step), step.n_features_in_
    if name == "StandardScaler":
        mean = step.mean_ if step.with_mean else np.zeros(width)
        scale = step.scale_ if step.with_std else np.ones(width)
        return [{"op": "standardize", "a": _floats(mean), "b": _floats(scale)}]
    if name == "MaxAbsScaler":
        return [{"op": "standardize", "a": [0.0] * width, "b": _floats(step.scale_)}]
    steps: list[Step] = [{"op": "scale_shift", "a": _floats(step.scale_), "b": _floats(step.min_)}]
    if step.clip:
        steps.append({"op": "clip", "a": float(step.feature_range[0]), "b": float(step.feature_range[1])})
    return steps


def _linear(model: Any) -> list[Step]:
    name = _sklearn_name(model)
    intercept = np.asarray(model.intercept_, dtype=np.float64)
    steps: list[Step] = [{"op": "linear", "coef": _floats(model.coef_), "intercept": _floats(intercept)}]
    if name in CLASSIFIERS:
        classes = np.asarray(model.classes_)
        if classes.dtype.kind not in "iufbU":
            raise NotCovered(f"its classes are {classes.dtype}")
        steps.append({"op": "labels", "classes": classes.tolist()})
    return steps


def translate(model: Any) -> dict[str, Any]:
    """The steps of an estimator. Raises :class:`NotCovered`.

    Parameters
    ----------
    model
        A fitted scikit-learn estimator.
    """
    stages = [model]
    if _sklearn_name(model) == "Pipeline":
        stages = [stage for _, stage in model.steps if stage is not None and stage != "passthrough"]
    steps: list[Step] = []
    for stage in stages[:-1]:
        if _sklearn_name(stage) not in ("StandardScaler", "MinMaxScaler", "MaxAbsScaler"):
            raise NotCovered(f"the step {_sklearn_name(stage)} is not covered")
        steps += _scaler(stage)
    last = stages[-1]
    if _sklearn_name(last) not in (*REGRESSORS, *CLASSIFIERS):
        raise NotCovered(f"{_sklearn_name(last)} is not covered")
    steps += _linear(last)
    return {"version": 1, "features": int(model.n_features_in_), "steps": steps}


def arithmetic(program: dict[str, Any]) -> Callable[[Any], Any]:
    """The very evaluator that serves: ``Arithmetic`` of ``score/score.py``, loaded from the file beside this one."""
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location("_scoring_shims", folder / "_host" / "shims.py")
    assert spec is not None and spec.loader is not None  # noqa: S101
    shims = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shims)
    shims.install()
    spec = importlib.util.spec_from_file_location("_scoring_entry", folder / "score.py")
    assert spec is not None and spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    evaluator: Callable[[Any], Any] = module.Arithmetic(program)
    return evaluator


def compare(program: dict[str, Any], model: Any, rows: np.ndarray) -> None:
    """Raise :class:`NotCovered` when the arithmetic and ``predict`` differ, in value, shape or type, on any row.

    Rows are compared all at once and one at a time, and also moved well outside the range of those given.
    """
    run = arithmetic(program)
    generator = np.random.default_rng(0)
    spread = rows.std(axis=0) + 1e-3
    moved = rows[generator.integers(0, len(rows), 200)] + generator.normal(0, 3, (200, rows.shape[1])) * spread
    for sample in (rows, rows[:1], moved):
        expected, actual = np.asarray(model.predict(sample)), run(sample)
        if expected.shape != actual.shape:
            raise NotCovered(f"the shape differs: predict gives {expected.shape}, the arithmetic {actual.shape}")
        if expected.dtype.kind != actual.dtype.kind:
            raise NotCovered(f"the type differs: predict gives {expected.dtype}, the arithmetic {actual.dtype}")
        if expected.dtype.kind == "f":
            scale = float(np.abs(expected).max())
            same = bool(np.allclose(actual, expected, rtol=RTOL, atol=RTOL * scale))
        else:
            same = bool((actual == expected).all())
        if not same:
            raise NotCovered("its results differ from predict")


def read_rows(folder: Path, file: Path | None) -> np.ndarray:
    """Real rows: from `file` (.npy, or .csv with a header), else those of the golden request."""
    if file is not None:
        loaded = np.load(file) if file.suffix == ".npy" else np.loadtxt(file, delimiter=",", skiprows=1)
        return np.atleast_2d(np.asarray(loaded, dtype=np.float64))
    golden = json.loads((folder / "golden.json").read_text("utf-8"))
    return np.atleast_2d(np.array(golden["request"]["data"], dtype=np.float64))


def decide(folder: Path, rows: np.ndarray) -> tuple[dict[str, Any] | None, str]:
    """The program for the model in `folder`, or ``None``; and the reason, for people. Unpickles the model."""
    import joblib

    try:
        model = joblib.load(folder / "model.joblib")
        program = translate(model)
        compare(program, model, rows)
    except NotCovered as error:
        return None, f"ordinary path: {error}"
    return program, f"fast path: agrees with predict on {len(rows)} rows and 200 made from them"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (5: ``--check`` found a difference)."""
    flags = argparse.ArgumentParser(prog="python -m score.fastpath", description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("folder", type=Path, help="the model folder")
    flags.add_argument("--rows", type=Path, help="real rows to compare on: .npy, or .csv with a header (features only)")
    flags.add_argument("--root", type=Path, help="folder with the code that the artifact refers to (default: here)")
    flags.add_argument("--check", action="store_true", help="change nothing; fail if the manifest differs")
    args = flags.parse_args(argv)
    sys.path.insert(0, str((args.root or Path.cwd()).resolve()))
    path = args.folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text("utf-8"))
        program, reason = decide(args.folder, read_rows(args.folder, args.rows))
    except (OSError, ValueError, KeyError) as error:
        print(f"{args.folder}: {type(error).__name__}: {error}", file=sys.stderr)
        return 5
    same = manifest.get("fast_path") == program
    if args.check and not same:
        print(f"{path}: fast_path is not what the model gives ({reason}); write it again", file=sys.stderr)
        return 5
    if not same:
        manifest["fast_path"] = program
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
        temporary.replace(path)
    print(json.dumps({"fast_path": program is not None, "reason": reason, "changed": not same and not args.check}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
