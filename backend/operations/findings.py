"""What a check found: one line each, with advice where something is to be done; never a secret."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

import httpx
from django.conf import settings

Level: TypeAlias = Literal["ok", "warning", "failure"]
TIMEOUT_S = 3  # of one call of a part


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    check: str  # what was looked at, as part.thing
    found: str
    advice: str = ""

    def as_line(self) -> str:
        advice = f"\n{'':10}→ {self.advice}" if self.advice else ""
        return f"{self.level:<8}  {self.check:<24}  {self.found}{advice}"


def ok(check: str, found: str) -> Finding:
    return Finding("ok", check, found)


def warning(check: str, found: str, advice: str) -> Finding:
    return Finding("warning", check, found, advice)


def failure(check: str, found: str, advice: str) -> Finding:
    return Finding("failure", check, found, advice)


def judged(good: bool, check: str, found: str, advice: str, *, level: Level = "failure") -> Finding:
    """`found` is ok where `good`; else it is of `level`, with the advice."""
    return ok(check, found) if good else Finding(level, check, found, advice)


def clock(check: str, ahead_s: float) -> Finding:
    """Of a part whose clock is `ahead_s` before ours."""
    said = f"its clock differs from ours by {ahead_s:+.1f} s"
    advice = "Let both machines keep time by NTP: leases, ids and signatures compare their clocks."
    return judged(abs(ahead_s) < 2, check, said, advice, level="failure" if abs(ahead_s) > 60 else "warning")


def http_client(url: str) -> httpx.Client:
    """For `url` alone: reading all certificates takes longer than a local answer, so only where they count."""
    return httpx.Client(timeout=TIMEOUT_S, verify=urlsplit(url).scheme == "https")


def named(exc: BaseException) -> str:
    """An error in one line, of which we know that it quotes nothing private: its type, and what the system said."""
    detail = exc.strerror if isinstance(exc, OSError) and exc.strerror else ""
    return f"{type(exc).__name__}{': ' if detail else ''}{detail}"


def without_secrets(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The last hold: no text that is a secret of the settings gets through, wherever it came from."""
    secrets = _secrets()
    for one in findings:
        yield Finding(one.level, one.check, _hide(one.found, secrets), _hide(one.advice, secrets))


def _secrets() -> list[str]:
    addresses = (settings.DATABASE_URL, settings.DATABASE_OWNER_URL, settings.DATABASE_SYSTEM_URL, settings.VALKEY_URL)
    passwords = [urlsplit(address).password or "" for address in addresses]
    own = [settings.S3_ACCESS_KEY, settings.S3_SECRET_KEY, settings.METRICS_TOKEN]
    own += [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [secret for secret in {*passwords, *map(unquote, passwords), *own} if len(secret) >= 4]


def _hide(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "•••")
    return text
