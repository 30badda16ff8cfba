"""How names are compared in search and in order: see `backend.core.folding`."""

from django.db import migrations

# casefold() and the collation are built into PostgreSQL 18 and depend on no library of the system: an index stays true.
FOLDING = r"""
CREATE FUNCTION fold(value text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE RETURN
    left(
        casefold(
            normalize(regexp_replace(normalize(value, NFKD), '[\u0300-\u036f]', '', 'g'), NFKC) COLLATE pg_unicode_fast
        ),
        200  -- one character may become eighteen, and an index takes 2,700 bytes
    );
CREATE FUNCTION containing(value text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE RETURN
    '%' || regexp_replace(fold(value), '([\\%_])', '\\\1', 'g') || '%';
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0002_answers")]
    operations = [migrations.RunSQL(FOLDING, "DROP FUNCTION containing; DROP FUNCTION fold")]
