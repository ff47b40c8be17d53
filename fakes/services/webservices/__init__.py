"""Web services on Azure Container Instances and Azure Kubernetes Service; they really score."""
