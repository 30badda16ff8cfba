"""Recommendations: usage events in, suggestions with their reasons out."""
