"""Loaded by schemathesis: how an array (application/x-npy) is made. Its environment needs nothing of ours."""

from __future__ import annotations

import struct

import schemathesis  # type: ignore[import-not-found]
from hypothesis import strategies as st

FEATURES = 10


def npy(values: list[list[float]]) -> bytes:
    """A two-dimensional float64 array as NumPy writes it, format 1.0.

    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(values)}, {FEATURES}), }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    flat = [value for row in values for value in row]
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + struct.pack(f"<{len(flat)}d", *flat)


ROW = st.lists(st.floats(-1e6, 1e6), min_size=FEATURES, max_size=FEATURES)
schemathesis.openapi.media_type("application/x-npy", st.lists(ROW, min_size=1, max_size=5).map(npy))
