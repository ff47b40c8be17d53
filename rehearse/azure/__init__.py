"""Azure Pipelines: from YAML to an expanded graph, as the service does it before and while a run."""
