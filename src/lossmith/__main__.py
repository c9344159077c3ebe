"""The `lossmith` command, also in a bare installation."""

import os
import sys


def main() -> None:
    """Run the command line, or say in one sentence what is missing to run it."""
    # Threads that wait by spinning halve the speed of two programs that share the cores; asleep they do not.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.append(os.getcwd())  # where people keep what they name as module:Class
    try:
        from lossmith.cli import run
    except ModuleNotFoundError as error:
        from lossmith.errors import missing_extra

        print(missing_extra("the lossmith command", error), file=sys.stderr)
        sys.exit(2)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
