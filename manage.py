#!/usr/bin/env python
"""Django's door to Atelier's command line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from environs import EnvError

    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, EnvError) as exc:
        sys.exit(f"{exc}")  # a variable of the environment: its name is what helps, not where we read it


if __name__ == "__main__":
    main()
