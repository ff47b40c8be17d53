"""Runs pipelines on this machine: in this process, a subprocess a step, or a container a step."""
