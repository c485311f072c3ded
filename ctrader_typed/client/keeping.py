"""Accounts kept authorised beside a client, which ends when that cannot be done any more.

Knows neither tokens nor where they are.
"""

from __future__ import annotations

import logging

from ..errors import ConnectionLost, CTraderError, ServerError, TokenRefused
from ..net.supervisor import Supervisor
from ..tokens.keeper import Watch

log = logging.getLogger(__name__)


async def keep(watch: Watch, supervisor: Supervisor) -> None:
    """Until cancelled, or until the client has ended, for this reason or another one."""
    try:
        await watch.run(supervisor.account_refused)
    except ConnectionLost as error:
        log.debug("tokens are not kept any more: %s", error)
    except CTraderError as error:
        advice = f". {error.advice}" if isinstance(error, ServerError | TokenRefused) else ""
        reason = f"tokens cannot be kept: {error}{advice}"
        log.error("%s", reason)
        supervisor.abandon(reason, error)
