"""`manage.py doctor`: whether all is well, and what to do where it is not."""

import json
import logging
import sys
from argparse import ArgumentParser
from collections import Counter
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from backend.operations import doctor


class Command(BaseCommand):
    help = "Examine each part and each setting, with advice. Exit code 1 when something fails."
    requires_system_checks = ()  # they ask the database, which may be what is away

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.disable(logging.ERROR)  # what is away is said once, and by us
        found = doctor.examine()
        counted = Counter(one.level for one in found)
        if options["json"]:
            self.stdout.write(
                json.dumps({"healthy": not counted["failure"], "findings": [asdict(one) for one in found]})
            )
        else:
            for one in found:
                self.stdout.write(one.as_line())
            self.stdout.write(f"\n{counted['ok']} ok, {counted['warning']} warnings, {counted['failure']} failures")
        sys.exit(1 if counted["failure"] else 0)
