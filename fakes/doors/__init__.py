"""The two ways into the fake: in-process, and a server."""
