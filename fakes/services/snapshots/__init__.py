"""Snapshots of source folders."""
