"""AI jobs: submit, schedule, claim, run, progress, cancel, cost."""
