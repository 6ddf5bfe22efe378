"""``python -m tabsynth``: the command line."""

from tabsynth.cli.main import run

if __name__ == "__main__":
    run()
