"""Environments: conda, pip or Dockerfile definitions, by name and version."""
