"""Assets: named groups of artifacts; what a registered model points to."""
