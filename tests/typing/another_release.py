"""What `python -m codegen --package` makes, reduced to what `connect(schema=...)` asks of it."""

from ctrader_typed import SCHEMA, ProtoOAVersionReq, ProtoOAVersionRes
from ctrader_typed.api import TradingClient

__all__ = ["SCHEMA", "Api"]


class Api(TradingClient):
    """The client of another release."""

    async def version_of_old(self) -> ProtoOAVersionRes:
        """A method that ours does not have."""
        return await self.request(ProtoOAVersionReq())
