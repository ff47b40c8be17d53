"""Blob storage: what the SDK, the native data engine and the kit use of it."""
