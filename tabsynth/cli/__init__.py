"""The command line: thin. It parses, calls and prints; every command imports what it needs when it runs."""
