"""``python -m controlplane.builds.sender DIRECTORY -t NAME``: as `manage.py build`, and as quick as it can start."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from controlplane.builds.sender import command
from schema.instance import default_home


def main() -> int:
    parser = argparse.ArgumentParser(prog="build", description="Build an image in the cluster. Ends as the build does.")
    command.add_arguments(parser)
    return command.run(parser.parse_args(), Path(os.environ.get("SLIPWAY_HOME") or default_home()))


if __name__ == "__main__":
    sys.exit(main())
