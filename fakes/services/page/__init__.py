"""A page for people at the admin address: what the fake holds and what it was asked, live."""
