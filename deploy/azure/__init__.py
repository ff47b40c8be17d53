"""Images and services in an Azure Machine Learning workspace: ACI for QA, AKS for production (SDK v1).

``azureml`` is imported inside functions only: the rest of the kit must work without it.
"""
