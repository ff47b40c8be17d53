"""The training pipeline: its steps, their graph, and what runs them."""
