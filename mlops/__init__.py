"""The program: settings, the backend switch, the command line, output and exit codes."""
