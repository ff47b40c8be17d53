"""Batch scoring: tables in, the same tables with predictions out, through the entry script that serves."""
