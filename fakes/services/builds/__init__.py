"""Builds of environments into images, with logs."""
