"""Yours to replace: transformers of your own.

A fitted estimator refers to these classes by name, so this file travels with the model into the scoring image: import
only what ``requirements/score.in`` names, and keep a class where it is while models that use it are in service.
The sample needs none; ``examples/`` shows one.
"""
