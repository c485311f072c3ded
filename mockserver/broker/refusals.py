"""How a request is refused: an error code, a text, and the message that carries them. Decides
nothing.
"""

from __future__ import annotations

from ctrader_typed.proto import ProtoOAErrorRes


class Refusal(Exception):
    """A request that is not carried out. Codes are names of ProtoOAErrorCode or ProtoErrorCode."""

    def __init__(self, error_code: str, description: str | None = None) -> None:
        super().__init__(error_code, description)
        self.error_code = error_code
        self.description = description

    def message(self, account_id: int | None) -> ProtoOAErrorRes:
        """The answer."""
        return ProtoOAErrorRes(
            ctid_trader_account_id=account_id,
            error_code=self.error_code,
            description=self.description,
        )


def unknown_symbol(symbol_id: int) -> Refusal:
    """No such symbol, or an archived one. The code is the schema's; its text was seen nowhere."""
    return Refusal("SYMBOL_NOT_FOUND", f"Symbol not found: {symbol_id}")
