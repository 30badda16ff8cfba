"""The stack that runs when no URL is set: the real programs, started, watched and healed by one supervisor.

python -m backend.embedded run       all of it, until Ctrl-C
python -m backend.embedded status    what runs, with pid, memory and port
"""
