"""One run: `python train.py fit|validate|test|predict --config FILE [--config FILE ...] [--key value ...]`."""

import sys


def main() -> int:
    """Run the command line and return the exit code."""
    # torch and lightning take seconds to import, so help and cheap errors come before them.
    from runtime.entry import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
