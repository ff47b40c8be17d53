"""Documents changed by somebody who knows the format."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def reseal(data: bytes, changes: dict[str, Any]) -> bytes:
    """Change fields (``None`` removes one) and compute the checksum again."""
    document = {**json.loads(data), **changes, "checksum": "0" * 64}
    text = json.dumps({key: value for key, value in document.items() if value is not None}, indent=2, sort_keys=True)
    field = f'"checksum": "{"0" * 64}"'
    return text.replace(field, field.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest()), 1).encode()
