"""Model packages: images and Docker build contexts, made of registered models and an entry script."""
