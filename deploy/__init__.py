"""What is released: images, services behind stable addresses, stages, smoke tests, rollback."""
