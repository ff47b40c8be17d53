"""The steps: one function each, the same wherever they run."""

from __future__ import annotations
