"""Secrets of a workspace, which Azure ML keeps in the workspace's key vault."""
