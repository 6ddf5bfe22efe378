"""``python -m tabsynth``: the command line."""

from tabsynth.cli.main import entry

if __name__ == "__main__":
    entry()
