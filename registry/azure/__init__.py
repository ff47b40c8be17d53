"""The adapters that keep everything in an Azure Machine Learning workspace (SDK v1, ``azureml-core``).

``azureml`` is imported inside functions only: the rest of the kit must work without it.
"""
