#!/usr/bin/env python
"""Django's command line: `manage.py up` runs everything, `manage.py help` lists the rest."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
    from django.core.management import execute_from_command_line

    if len(sys.argv) > 1:  # `manage.py join-token` is the command `join_token`
        sys.argv[1] = sys.argv[1] if sys.argv[1].startswith("-") else sys.argv[1].replace("-", "_")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
