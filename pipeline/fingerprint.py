"""What the result of a reusable step depends on."""

from pipeline.local.reuse import fingerprint

__all__ = ["fingerprint"]
