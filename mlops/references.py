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
    hint = "mlops pipeline model --file writes it"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        model = document["model"]
    except OSError as error:
        raise UsageMistake(f"cannot read {path}: {error.strerror}", hint=hint) from None
    except (ValueError, KeyError, TypeError):
        raise UsageMistake(f"{path} names no model: it is no JSON with a field model", hint=hint) from None
    if not isinstance(model, str):
        raise UsageMistake(f"{path} says that no model was registered: {document.get('reason')}")
    return model
