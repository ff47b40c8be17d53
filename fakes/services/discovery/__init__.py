"""Discovery: which host serves which part of a workspace."""
