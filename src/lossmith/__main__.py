"""The `lossmith` command, also in a bare installation."""

import sys


def main() -> None:
    """Run the command line, or say in one sentence what is missing to run it."""
    try:
        from lossmith.cli import run
    except ModuleNotFoundError as error:
        from lossmith.errors import missing_extra

        print(missing_extra("the lossmith command", error), file=sys.stderr)
        sys.exit(2)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
