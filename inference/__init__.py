"""Hides Triton and its networks. The stack may import `inference.contracts` and `inference.client`, nothing else."""
