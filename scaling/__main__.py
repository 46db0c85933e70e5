"""The command `scaling`, and `python -m scaling`: alone it says at once what one can do, before the
library of command lines is imported."""

from __future__ import annotations

import os
import sys


def main() -> None:
    # A shell that asks for completions gives no arguments either; it sets this variable.
    if len(sys.argv) == 1 and "_SCALING_COMPLETE" not in os.environ:
        from scaling.commands.listing import overview

        print(overview())
        return
    from scaling.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
