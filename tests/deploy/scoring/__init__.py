"""One corpus of scoring requests for a local service, Container Instances and Kubernetes Service."""
