"""One file a subcommand. Each has NAME and `command`; heavy imports happen inside the function."""
