"""Scoring services, side by side."""
