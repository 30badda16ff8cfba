"""The step between a migrated database and a running web: the bucket, its origins, and the demo's people. Idempotent.

Prints what `seed_demo` prints: the sign-in links as JSON, `{}` without the demo setting.
"""

import os
import sys

import django


def main(origins: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from backend.assets.storage import ensure_bucket

    ensure_bucket(origins)
    if settings.ATELIER_DEMO:
        call_command("seed_demo")
    else:
        sys.stdout.write("{}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
