"""The `lossmith` command, also in a bare installation."""

import os
import sys

from lossmith.core.errors import MissingExtra, missing_extra
from lossmith.core.signals import interruptible


def main() -> None:
    """Run the command line, or say in one sentence why it does not run or has not ended."""
    try:
        with interruptible():
            status = _run()
            sys.stdout.flush()
    except KeyboardInterrupt as stopped:
        print("lossmith: stopped; the same command goes on from here", file=sys.stderr)
        status = getattr(stopped, "status", 130)
    except BrokenPipeError:  # who reads the output, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        status = 141
    sys.exit(status)


def _run() -> int:
    # Threads that wait by spinning halve the speed of two programs that share the cores; asleep they do not.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.append(os.getcwd())  # where people keep what they name as module:Class
    try:
        from lossmith.cli import run

        return run(sys.argv[1:])
    except ModuleNotFoundError as error:
        print(missing_extra("the lossmith command", error), file=sys.stderr)
    except MissingExtra as error:
        print(f"lossmith: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
