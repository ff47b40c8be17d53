"""Compute targets: training clusters (AmlCompute) and Kubernetes clusters for services (AKS)."""
