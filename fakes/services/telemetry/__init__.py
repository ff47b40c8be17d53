"""Telemetry: taken, and thrown away."""
