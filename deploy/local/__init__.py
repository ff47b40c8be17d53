"""Services on this machine: processes or containers behind a small development gateway."""
