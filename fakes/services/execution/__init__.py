"""Script runs: what is submitted to a compute target."""
