"""The workspace's container registry, for pulling the images that packages were built into."""
