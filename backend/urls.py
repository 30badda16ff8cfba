"""Every address of the studio. Sockets are in `collab.routing`."""

from django.urls import include, path, re_path

from backend.api import error_page, health, metrics, pages, problems, rights_page
from backend.api.api import api

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.scrape),
    path("api/v1/", api.urls),
    path("docs/errors", error_page.error_page),
    path("docs/metrics", metrics.metrics_page),
    path("docs/rights", rights_page.rights_page),
    # Nobody has a telephone number here, and allauth's views of them fail without one. An address of e-mail says who
    # somebody is to those who invite them, so nobody takes another one without showing that it is theirs.
    re_path(r"^_allauth/browser/v1/(?:account/(?:phone|email)|auth/phone/verify(?:/resend)?)$", problems.not_found),
    path("_allauth/", include("allauth.headless.urls")),
    *pages.urlpatterns,
]
handler404 = "backend.api.problems.not_found"
handler500 = "backend.api.problems.server_error"
