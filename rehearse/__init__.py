"""Run the delivery pipelines of this project on a laptop: the YAML itself, offline.

A developer tool of the kit. Nothing of the product imports it, and it imports nothing of the product: it reads the
files of ``.pipelines/`` and ``.github/workflows/`` and starts the commands that they name.
"""
