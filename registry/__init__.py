"""What is remembered: model versions and their aliases, runs, data sets.

``models``, ``runs`` and ``data`` hold the seams (abstract classes); ``files`` keeps them as files on this machine,
``azure`` keeps them in an Azure Machine Learning workspace.
"""
