"""The front ends of ACI and AKS: who may ask, how long, how much, and which version answers."""
