"""Reads the environment once and hides it from all other modules.

A URL that the environment does not set is read from `$ATELIER_VAR/embedded.env`, which `backend.embedded` writes when
it has started the real program in its place.
"""

from pathlib import Path
from urllib.parse import urlsplit

import psycopg.conninfo
from django.core.exceptions import ImproperlyConfigured
from environs import Env

from backend.core.logs import configure_logging

ROOT = Path(__file__).resolve().parent.parent

env = Env()
ATELIER_VAR = Path(env.str("ATELIER_VAR", str(ROOT / "var"))).resolve()
env.read_env(ROOT / ".env", recurse=False)
env.read_env(ATELIER_VAR / "embedded.env", recurse=False)  # what is set already wins


def _needed(name: str) -> str:
    value = env.str(name, "")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set, and no embedded stack has run under {ATELIER_VAR}. "
            f"Set {name}, or start the embedded stack with `make run`."
        )
    return value


# --- addresses
DATABASE_URL = _needed("DATABASE_URL")
DATABASE_OWNER_URL = _needed("DATABASE_OWNER_URL")
DATABASE_SYSTEM_URL = _needed("DATABASE_SYSTEM_URL")
VALKEY_URL = _needed("VALKEY_URL")
TRITON_URL = _needed("TRITON_URL")
# Of one worker: as many tiles as instances compute, and one that waits, so that none idles between two. What waits can
# still be taken back.
TRITON_IN_FLIGHT = env.int("TRITON_IN_FLIGHT", 3)
TRITON_MEMORY_MB = env.int("TRITON_MEMORY_MB", 0)
S3_ENDPOINT_URL = _needed("S3_ENDPOINT_URL")
S3_PUBLIC_URL = env.str("S3_PUBLIC_URL", S3_ENDPOINT_URL)
S3_ACCESS_KEY = _needed("S3_ACCESS_KEY")
S3_SECRET_KEY = _needed("S3_SECRET_KEY")
S3_BUCKET = env.str("S3_BUCKET", "atelier")
S3_REGION = env.str("S3_REGION", "us-east-1")
ATELIER_URL = env.str("ATELIER_URL", "http://127.0.0.1:8000").rstrip("/")
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", 16)

# --- limits
MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", 1024 * 1024)
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_BYTES", 200 * 1024 * 1024)
MAX_PICTURE_PIXELS = env.int("MAX_PICTURE_PIXELS", 100_000_000)
MAX_HEADER_BYTES = env.int("MAX_HEADER_BYTES", 32 * 1024)  # of a request: its address and all headers
REQUEST_TIMEOUT_S = env.float("REQUEST_TIMEOUT_S", 30.0)  # for a body to arrive, and for a client to take what we send
IDEMPOTENCY_KEEP_S = env.int("IDEMPOTENCY_KEEP_S", 24 * 3600)
RATE_PERSON_PER_MIN = env.int("RATE_PERSON_PER_MIN", 3000)  # 0: no limit
RATE_ACTS_PER_MIN = env.int("RATE_ACTS_PER_MIN", 600)  # of a person: more than hands do, and it bounds the outbox
RATE_TOKEN_PER_MIN = env.int("RATE_TOKEN_PER_MIN", 3000)
MAX_STREAMS_PER_PERSON = env.int("MAX_STREAMS_PER_PERSON", 20)  # in one process
RATE_WORKSPACE_PER_MIN = env.int("RATE_WORKSPACE_PER_MIN", 30_000)
UPLOAD_EXPIRES_S = env.int("UPLOAD_EXPIRES_S", 3600)
TICKET_EXPIRES_S = env.int("TICKET_EXPIRES_S", 60)
TOKEN_MAX_DAYS = env.int("TOKEN_MAX_DAYS", 90)
INVITATION_EXPIRES_DAYS = env.int("INVITATION_EXPIRES_DAYS", 7)
COLLAB_MAX_UPDATE_BYTES = env.int("COLLAB_MAX_UPDATE_BYTES", 5 * 1024 * 1024)
COLLAB_MAX_DOCUMENT_BYTES = env.int("COLLAB_MAX_DOCUMENT_BYTES", 50 * 1024 * 1024)
COLLAB_SNAPSHOT_ROW_BYTES = env.int("COLLAB_SNAPSHOT_ROW_BYTES", 4 * 1024 * 1024)  # larger ones lie in S3
# What was replaced in S3 stays for so long: the two halves of a backup may be taken as far apart.
COLLAB_SNAPSHOT_KEEP_S = env.int("COLLAB_SNAPSHOT_KEEP_S", 3600)
COLLAB_FLUSH_WINDOW_MS = env.int("COLLAB_FLUSH_WINDOW_MS", 10)
COLLAB_MESSAGES_PER_S = env.int("COLLAB_MESSAGES_PER_S", 500)  # of one socket, lasting; four times that at once
COLLAB_BYTES_PER_S = env.int("COLLAB_BYTES_PER_S", 4 * 1024 * 1024)  # as above
# In one process; each document that a socket opens is one.
COLLAB_CONNECTIONS_PER_PERSON = env.int("COLLAB_CONNECTIONS_PER_PERSON", 500)
COLLAB_CONNECTIONS_PER_DOCUMENT = env.int("COLLAB_CONNECTIONS_PER_DOCUMENT", 1000)
COLLAB_CONNECTIONS_PER_WORKSPACE = env.int("COLLAB_CONNECTIONS_PER_WORKSPACE", 5000)
COLLAB_DOCUMENTS_PER_SOCKET = env.int("COLLAB_DOCUMENTS_PER_SOCKET", 100)
COLLAB_SEND_BUFFER_BYTES = env.int("COLLAB_SEND_BUFFER_BYTES", 4 * 1024 * 1024)
COLLAB_BACKLOG_BYTES = env.int("COLLAB_BACKLOG_BYTES", 16 * 1024 * 1024)  # of one document, not yet committed
COLLAB_BACKLOG_S = env.float("COLLAB_BACKLOG_S", 120.0)
JOB_LEASE_S = env.int("JOB_LEASE_S", 6)
JOB_RUN_TIMEOUT_S = env.int("JOB_RUN_TIMEOUT_S", 300)
# In one worker process. What the batch lane may not have is kept for jobs that somebody waits for.
JOBS_AT_ONCE = env.int("JOBS_AT_ONCE", 12)
JOBS_AT_ONCE_BATCH = env.int("JOBS_AT_ONCE_BATCH", 8)
JOBS_AT_ONCE_PERSON = env.int("JOBS_AT_ONCE_PERSON", 6)  # of one in a lane
MAX_BATCH_JOBS = env.int("MAX_BATCH_JOBS", 1000)
TRIAL_MAX_FAILURES = env.int("TRIAL_MAX_FAILURES", 5)  # in a row
MAX_RECIPE_STEPS = env.int("MAX_RECIPE_STEPS", 10)
RECIPE_CACHE_MB = env.int("RECIPE_CACHE_MB", 2000)  # of each workspace; 0: nothing is kept
RECIPE_CACHE_DAYS = env.int("RECIPE_CACHE_DAYS", 7)
MAX_RESULT_BYTES = env.int("MAX_RESULT_BYTES", 256 * 1024 * 1024)  # of an input: results outgrow uploads

# --- for operators
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
METRICS_HOST = env.str("METRICS_HOST", "127.0.0.1")
METRICS_URLS = env.list("METRICS_URLS", [f"{ATELIER_URL}/metrics"])  # that `manage.py status` adds up
TRACES_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", env.str("OTEL_EXPORTER_OTLP_ENDPOINT", ""))
if env.bool("OTEL_SDK_DISABLED", False):
    TRACES_ENDPOINT = ""
METRICS_PORT = env.int("METRICS_PORT", 0)  # of worker, relay and learner, each its own; 0: none. The web has /metrics

# --- Django
SECRET_KEY = _needed("ATELIER_SECRET_KEY")
SECRET_KEY_FALLBACKS: list[str] = env.list("ATELIER_OLD_SECRET_KEYS", [])  # what they signed and sealed is still good
ATELIER_DEMO = env.bool("ATELIER_DEMO", False)
ATELIER_SIGN_UP = env.bool("ATELIER_SIGN_UP", False)
DEBUG = False
_site = urlsplit(ATELIER_URL)
ALLOWED_HOSTS = [*env.list("ATELIER_HOSTS", []), _site.hostname or "", "127.0.0.1", "localhost"]
CSRF_TRUSTED_ORIGINS = [f"{_site.scheme}://{_site.netloc}"]
ROOT_URLCONF = "backend.urls"
ASGI_APPLICATION = "backend.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
APPEND_SLASH = False
AUTH_USER_MODEL = "workspaces.Person"
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
    "ninja",  # its pages of documentation, with their scripts from here and not from a CDN
    "allauth",
    "allauth.account",
    "allauth.headless",
    "backend.core",
    "backend.workspaces",
    "backend.projects",
    "backend.api",
    "backend.assets",
    "backend.generations",
    "backend.recommendations",
    "backend.operations",
    "collab",
]
MIDDLEWARE = [
    "backend.core.middleware.TraceMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "backend.workspaces.session_store.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "backend.api.auth.TokenMiddleware",
    "backend.api.middleware.ApiMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]


def _database(name: str, url: str, **options: object) -> dict[str, object]:
    try:
        parts = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Without its cause, which quotes the address with its password.
        raise ImproperlyConfigured(f"{name} is no address of PostgreSQL: postgresql://user:…@host/database.") from None
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", None),
        "USER": parts.pop("user", None),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", None),
        "PORT": parts.pop("port", 5432),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # else each connection that a restart of PostgreSQL left in the pool fails somebody
        "OPTIONS": {"connect_timeout": 5, **parts, **options},  # sslmode and all else that the address says
        "TEST": {"MIRROR": None},
    }


DATABASES = {
    "default": _database(
        "DATABASE_URL",
        DATABASE_URL,
        pool={"min_size": 0, "max_size": DATABASE_POOL_SIZE, "timeout": 5, "max_idle": 60},
        prepare_threshold=1,  # for `core.statements`; the ORM's are never prepared
    ),
    "owner": _database("DATABASE_OWNER_URL", DATABASE_OWNER_URL),
    "system": _database(
        "DATABASE_SYSTEM_URL",
        DATABASE_SYSTEM_URL,
        pool={"min_size": 0, "max_size": 4, "timeout": 5, "max_idle": 60},
        prepare_threshold=1,  # as above
    ),
}
DATABASE_ROUTERS = ["backend.core.routers.OwnerMigrates"]

# --- sign-in
AUTHENTICATION_BACKENDS = ["backend.workspaces.accounts.Backend"]
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FORM_CLASS = "backend.workspaces.accounts.SignUpForm"
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key"}
ACCOUNT_ADAPTER = "backend.workspaces.accounts.Adapter"
SESSION_ENGINE = "backend.workspaces.session_store"
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("browser",)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _site.scheme == "https"
CSRF_FAILURE_VIEW = "backend.api.problems.csrf_failure"
EMAIL_HOST = env.str("EMAIL_HOST", "")  # unset: no letters leave the house
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'dummy'}.EmailBackend"
EMAIL_PORT = env.int("EMAIL_PORT", 587)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", True)
EMAIL_TIMEOUT = 5
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", f"Atelier <studio@{_site.hostname}>")
CACHES = {"default": {"BACKEND": "backend.core.cache.Cache", "LOCATION": VALKEY_URL}}
AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]

# --- pages: the studio is built by Vite into dist/, its names hold a hash of their content
STUDIO_DIST = ROOT / "frontend-api" / "studio" / "dist"
STATIC_URL = "/static/"
STATICFILES_DIRS = [("studio", STUDIO_DIST)] if STUDIO_DIST.is_dir() else []
WHITENOISE_USE_FINDERS = True
WHITENOISE_IMMUTABLE_FILE_TEST = r"^.+[.-][0-9A-Za-z_-]{8,}\.[0-9a-z]+$"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
_s3 = urlsplit(S3_PUBLIC_URL)
_s3_origin = f"{_s3.scheme}://{_s3.netloc}"
_socket_origin = f"{'wss' if _site.scheme == 'https' else 'ws'}://{_site.netloc}"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'", "'wasm-unsafe-eval'"],  # Excalidraw subsets fonts in WebAssembly
        "style-src": ["'self'", "'unsafe-inline'"],  # Excalidraw sets inline styles
        "img-src": ["'self'", "blob:", "data:"],
        "connect-src": ["'self'", _socket_origin, _s3_origin],
        "font-src": ["'self'", "data:"],
        "worker-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    },
}

# --- ports
COLLAB_ACCESS = "backend.projects.access.DocumentAccess"

# --- logs: structlog writes each line, see backend.core.logs
LOGGING_CONFIG = None
configure_logging(env.str("LOG_LEVEL", "INFO"))
