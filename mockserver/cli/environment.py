"""The environment variables with which clients reach a mock server, as a file.

Each line is `CTRADER_…=VALUE`: `sh` can source it, and CI systems read it as it is (`$GITHUB_ENV`,
dotenv reports, `docker run --env-file`). The latter do not unquote, so no value may need quotes.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .console import CannotStart


def variables(where: Mapping[str, Any], ca: str | None, endpoint: str) -> dict[str, str]:
    """The variables for a ready line; `ca` is the file of the CA that clients must trust.

    `endpoint` is "demo", "live" or "both": which accounts are served.
    """
    found = {"CTRADER_HOST": where["host"], "CTRADER_PORT": str(where["port"])}
    for name, address in where.get("wires", {}).items():
        found[f"CTRADER_{name.replace('-', '_').upper()}_PORT"] = str(address["port"])
    if ca is not None:
        found["CTRADER_CA"] = str(Path(ca).absolute())
    if "broker" in where:
        found |= _login(where["broker"], endpoint)
    if "control" in where:
        found["CTRADER_CONTROL_PORT"] = str(where["control"]["port"])
    return found


def _login(keys: Mapping[str, Any], endpoint: str) -> dict[str, str]:
    served = [
        str(account["id"])
        for account in keys["details"]
        if endpoint in ("both", account["environment"])
    ]
    return {
        "CTRADER_CLIENT_ID": keys["clientId"],
        "CTRADER_CLIENT_SECRET": keys["clientSecret"],
        "CTRADER_ACCESS_TOKEN": keys["accessToken"],
        "CTRADER_REFRESH_TOKEN": keys["refreshToken"],
        "CTRADER_VIEW_TOKEN": keys["viewToken"],
        "CTRADER_ACCOUNT_ID": served[0],
        "CTRADER_ACCOUNT_IDS": ",".join(served),
    }


def write(path: str, values: Mapping[str, str]) -> None:
    """Write the file as a whole, readable by its owner only.

    CannotStart if it cannot be written, or a value would need quotes.
    """
    for name, value in values.items():
        if shlex.quote(value) != value:
            raise CannotStart(
                f"cannot write {name} to {path}: {value!r} would need quotes, which CI systems do "
                "not take away; choose a path without spaces and special characters"
            )
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    target = Path(path)
    try:
        # A new file, renamed: it is never there half, and an older one's mode does not matter.
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CannotStart(f"cannot write {path}: {error.strerror or error}") from None
