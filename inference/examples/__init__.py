"""Tasks of your own: each is a module that INFERENCE_TASKS can name."""
