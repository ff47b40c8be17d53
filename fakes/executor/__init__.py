"""Submitted runs and pipelines really execute here, as child processes.

Nothing here speaks HTTP. Work happens in threads outside the state lock; the lock is taken briefly to read and write.
"""
