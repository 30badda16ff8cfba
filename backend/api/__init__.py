"""The HTTP API: routers parse, call one service or query, and render; no business rule lives here."""
