"""Training: run by make targets, never by the product."""
