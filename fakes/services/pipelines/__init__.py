"""Pipelines: modules, graphs, publishing, endpoints, runs, schedules."""
