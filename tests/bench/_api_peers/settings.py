"""Our settings for a peer: its own addresses and the middleware of a plain Django project, sessions and no more."""

import os

from backend.settings import *  # noqa: F403 - a settings module is made of names
from backend.settings import DATABASES, INSTALLED_APPS

PEER = os.environ["BENCH_PEER"]  # drf or bare
ROOT_URLCONF = f"tests.bench._api_peers.{PEER}"
INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if not app.startswith("allauth")),
    "django.contrib.sessions",
    "rest_framework",
]
SESSION_ENGINE = "django.contrib.sessions.backends.db"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
if PEER == "drf":  # what startproject gives, for a project that is served to browsers
    MIDDLEWARE = [
        "django.middleware.security.SecurityMiddleware",
        *MIDDLEWARE[:1],
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        *MIDDLEWARE[1:],
    ]
    # Threads that live as long as the process each keep a connection: no pool is as cheap.
    DATABASES["default"] |= {"CONN_MAX_AGE": None}
    DATABASES["default"]["OPTIONS"].pop("pool")  # type: ignore[attr-defined]  # a dict
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
