"""What the caller may do, as Azure Resource Manager tells it."""
