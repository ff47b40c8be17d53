"""The registry kept as files on this machine: readable with ``ls`` and ``cat``, safe for many processes at once."""
