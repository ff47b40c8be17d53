"""The program that loads a model in a process of its own: ``python -m model.score_holdout --model DIR [--data CSV]``.

Prints one JSON line: ``{"metrics": ..., "definition": ..., "notes": [...]}``, or ``{"error": ..., "hint": ...}`` and
exit code 3. The caller has verified the folder's digest.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from model import artifact, contract, dataset, metrics, tables, training
from model.errors import ArtifactUnreadable, ModelError


def main(arguments: list[str] | None = None) -> int:
    """Load, reproduce the golden prediction, and measure on held-out rows when some are given."""
    parser = argparse.ArgumentParser(prog="python -m model.score_holdout", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the model folder")
    parser.add_argument("--data", type=Path, help="held-out rows, features and target")
    parser.add_argument("--strict", action="store_true", help="refuse other library versions than it was made with")
    options = parser.parse_args(arguments)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # a model may print while it loads
            document = _measure(options.model, options.data, options.strict)
    except ModelError as error:
        print(json.dumps({"error": str(error), "hint": error.hint, "kind": type(error).__name__}))
        return 3
    print(json.dumps(document))
    return 0


def _measure(folder: Path, data: Path | None, strict: bool) -> dict[str, Any]:
    notes = artifact.differences(artifact.read_manifest(folder))
    model = artifact.load(folder, strict=strict)
    if data is None:
        return {"notes": notes}
    columns = (*dataset.FEATURES, dataset.TARGET)
    frame = contract.check(tables.read(data), columns, minimum_rows=1).require(str(data))
    wanted = artifact.read_manifest(folder)["features"]
    known = [column.name for column in dataset.FEATURES]
    if wanted != known:
        raise ArtifactUnreadable(
            f"the model in {folder} needs the features {', '.join(wanted)}; the data has {', '.join(known)}",
            hint="models with other features cannot be compared: use another model name",
        )
    with training.steady(), training.explained("scoring the held-out data"):
        predicted = model.predict(training.matrix(frame))
    scores = metrics.measure(dataset.TASK, training.target(frame), predicted)
    return {"metrics": dict(scores.values), "definition": scores.definition, "notes": notes}


if __name__ == "__main__":
    sys.exit(main())
