"""Becomes the program that it is told to be: as another user where asked, and bound to die with its supervisor.

Usage: python -I -S launch.py SUPERVISOR_PID SIGNAL UID GID PROGRAM ARGUMENT…   (UID 0: stay who you are)

It is a program of its own because code between fork and exec is unsafe in a process with threads, and because a change
of user clears the death signal: the order here matters.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1

supervisor, signal_number, uid, gid = map(int, sys.argv[1:5])
if uid:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
if os.getppid() != supervisor:  # it died before the line above
    sys.exit(1)
os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606 - to become that program is what this one is for
