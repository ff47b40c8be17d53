"""The admin address: reset, state, transitions, faults, requests, clock."""
