"""Hides what runs inside Triton's Python process; `inference.server` copies it into the generated model repository."""
