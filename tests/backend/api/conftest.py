"""Lends the tenants and callers of the walk to the tests of bad input."""

from tests.isolation.conftest import world as world
