"""auditd: what the Linux audit system would have told of our events, one view for each type of record. Pure.

We do not read its log: type, a0…aN, exe, comm, name, SYSCALL, key and their kin are made of what our own
sensors saw, so that rules written for auditd work on hosts where it does not run.
"""

from __future__ import annotations

from .acts import ACTS
from .connections import CONNECTIONS
from .execs import EXECS
from .files import FILES
from .users import USERS

VIEWS = (*EXECS, *FILES, *ACTS, *CONNECTIONS, *USERS)
