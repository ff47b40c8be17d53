"""Tests of the scoring host."""
