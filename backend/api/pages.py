"""Serves the studio's pages, and the demo's sign-in links."""

from django.conf import settings
from django.contrib.auth import login
from django.core import signing
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, re_path
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from backend.api.problems import problem
from backend.core.errors import NotFound, NotSignedIn, PartUnavailable
from backend.workspaces.queries import active_person

DEMO_SALT = "atelier.demo.sign-in"


@require_GET
@never_cache
@ensure_csrf_cookie
def studio(request: HttpRequest) -> HttpResponse:
    """The one page of the studio; it finds its way by the address."""
    page = settings.STUDIO_DIST / "index.html"
    if not page.is_file():
        return problem(PartUnavailable("The studio's pages are not built. Run `make studio`.", part="studio"))
    return HttpResponse(page.read_bytes(), content_type="text/html; charset=utf-8")


@require_GET
def service_worker(request: HttpRequest) -> HttpResponse | FileResponse:
    """From the root, for a worker controls only what lies below its own address."""
    script = settings.STUDIO_DIST / "sw.js"
    if not script.is_file():
        return problem(NotFound())
    return FileResponse(
        script.open("rb"),
        content_type="text/javascript",
        headers={"Service-Worker-Allowed": "/", "Cache-Control": "no-cache"},
    )


@require_GET
@never_cache
def demo_sign_in(request: HttpRequest, token: str) -> HttpResponse:
    """Sign a demo person in. Only under ATELIER_DEMO."""
    if not settings.ATELIER_DEMO:
        return problem(NotFound())
    try:
        person = active_person(signing.loads(token, salt=DEMO_SALT))
    except signing.BadSignature:
        person = None
    if person is None:
        return problem(NotSignedIn("This link is not one that this studio made. Use those that `make run` printed."))
    login(request, person, backend=settings.AUTHENTICATION_BACKENDS[0])
    return HttpResponseRedirect("/")


# Here and not in `backend.urls`: who makes a link to them (`seed_demo`) need not load the whole API for it.
urlpatterns = [
    path("demo/sign-in/<str:token>", demo_sign_in, name="demo_sign_in"),
    path("sw.js", service_worker),
    re_path(r"^(?:sign-in|account|models|invite/[\w-]+|p/[\w-]+|d/[\w-]+|w/[\w-]+(?:/[\w-]+){0,2})?$", studio),
]
