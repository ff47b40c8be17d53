"""References to model versions as a person or a pipeline gives them to a command."""

from __future__ import annotations

import json
from pathlib import Path

from mlops.app import UsageMistake


def reference_of(text: str) -> str:
    """``name:3`` or ``name@alias`` as it is; ``@FILE`` is the model that ``mlops pipeline model --file`` wrote there.

    Raises
    ------
    UsageMistake
        The file cannot be read, or says that no model was registered.
    """
    if not text.startswith("@"):
        return text
    path = Path(text[1:])
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        model = document["model"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageMistake(
            f"{path} names no model: {type(error).__name__}: {error}", hint="mlops pipeline model --file writes it"
        ) from None
    if not isinstance(model, str):
        raise UsageMistake(f"{path} says that no model was registered: {document.get('reason')}")
    return model
