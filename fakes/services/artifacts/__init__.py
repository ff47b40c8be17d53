"""Artifacts: files of models and runs, kept in the workspace's storage account."""
