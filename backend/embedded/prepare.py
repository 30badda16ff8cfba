"""The step between a running database and a running web: migrations, the bucket, the demo's people. Idempotent.

One process, for importing Django costs more than all that it does here. Prints what `seed_demo` prints: the sign-in
links as JSON, `{}` without the demo setting.
"""

import os
import sys
import time

import django

S3_TIMEOUT_S = 90.0  # the store starts beside us, and a first start on a busy machine is slow


def main(origins: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", database="owner", stdout=sys.stderr)
    make_bucket(origins)
    if settings.ATELIER_DEMO:
        call_command("seed_demo")
    else:
        sys.stdout.write("{}\n")


def make_bucket(origins: list[str]) -> None:
    from backend.core.storage import StorageUnavailable, ensure_bucket

    until = time.monotonic() + S3_TIMEOUT_S
    while True:
        try:
            return ensure_bucket(origins)
        except StorageUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1:])
