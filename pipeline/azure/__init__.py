"""The pipeline on Azure Machine Learning: ``PythonScriptStep``s on a compute cluster, published and submitted there.

``azureml`` is imported inside functions only: the rest of the kit must work without it.
"""
