"""One file a command. Each has ``cli`` (a click command or group) and keeps heavy imports inside its functions."""
