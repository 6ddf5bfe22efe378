"""A passphrase reaches a command through an environment variable only: arguments can be read in process lists."""

from __future__ import annotations

import os
import re
from typing import Final

from tabsynth.core.errors import UsageError

_VARIABLE: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def passphrase_in(variable: str | None, *, option: str = "--passphrase-env") -> str | None:
    """What the environment variable that `option` names holds; None where none is named.

    Raises:
        UsageError: there is no such variable, or what it holds is no good passphrase. The message shows nothing of it.
    """
    from tabsynth.core.sealing import check_passphrase

    if variable is None:
        return None
    if not _VARIABLE.fullmatch(variable):
        raise UsageError(f"{option} takes the name of an environment variable, not the passphrase itself.",
                         fix="Put the passphrase into a variable, such as TABSYNTH_PASSPHRASE, and name that.")
    if variable not in os.environ:
        raise UsageError(f"the environment variable {variable} that {option} names is not set.",
                         fix="Set it to the passphrase and export it.")
    check_passphrase(os.environ[variable])
    return os.environ[variable]
