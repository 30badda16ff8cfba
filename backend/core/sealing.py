"""Hides how what must stay secret is kept in the database: sealed by a key of the environment, which can be rotated.

To rotate, set a new ATELIER_SECRET_KEY and keep the old one in ATELIER_OLD_SECRET_KEYS while what it sealed is needed.
Source: Fernet (AES-128-CBC, HMAC-SHA256); RFC 5869 (HKDF).
"""

import base64
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Unreadable(Exception):
    """Sealed by a key that we don't have any more, or changed since."""


def seal(data: bytes) -> bytes:
    return _box().encrypt(data)


def unseal(sealed: bytes) -> bytes:
    """Raises: Unreadable."""
    try:
        return _box().decrypt(sealed)
    except InvalidToken as exc:
        raise Unreadable from exc


@cache
def _box() -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _derived(key: str) -> bytes:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"atelier.sealing")
    return base64.urlsafe_b64encode(derive.derive(key.encode()))
