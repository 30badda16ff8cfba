"""Hides the networks: plain PyTorch modules, and how their weights come from published files without a pickle."""
