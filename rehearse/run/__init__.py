"""Run an expanded pipeline: conditions, variables, artifacts, scripts in clean shells."""
