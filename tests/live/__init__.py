"""What a run of the contract suites against real Azure needs: a workspace of its own, a record of what it proved."""
