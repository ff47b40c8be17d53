"""A Docker engine that is none: enough of its API to build images and run containers in tests, without Docker."""
