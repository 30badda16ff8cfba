"""Hides the networks: plain PyTorch modules, and how their weights come from published files without a pickle."""


class NotFinite(Exception):
    """A network gave NaN or infinity: the same tile would do so again."""
