"""GitHub Actions: the subset that the workflows of this project use."""
