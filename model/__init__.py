"""The model: data set and contract, features, training, metrics, the gate. Knows no cloud, registry or pipeline.

A data scientist replaces three files: ``dataset.py`` (columns and sample data), ``estimator.py`` (parameters and the
estimator) and ``features.py`` (transformers of your own); the rest is machinery. A scoring image holds this folder
too, because a pickled estimator refers to ``features``: so this file imports nothing, and ``features`` only what
``requirements/score.in`` names.
"""
