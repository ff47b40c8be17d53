"""Programs that the fake really runs: an entry script behind a faked address.

Nothing here knows HTTP routes or the Azure state; it starts, watches, asks and stops processes.
"""
