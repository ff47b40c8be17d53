"""What every faked service builds on: routing, state, errors, operations, faults."""
