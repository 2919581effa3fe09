"""The command line as another user has it: `as_user.py UID ARGUMENT...`, started by root.

Python itself may lie where that user cannot read, so all is loaded before.
"""

import os
import sys

import numalocal.commands.run  # noqa: F401 - loaded for `cli`
from numalocal import cli

user = int(sys.argv[1])
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
sys.exit(cli.main(sys.argv[2:]))
