"""Clients on plain sockets: one that does its errand, and many with one bad habit each.

`python bad_clients.py HABIT` is told the rest by its environment. What the conformance command says
of them is how its checks are tested.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from ctrader_typed.errors import RemoteProtocolError
from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountLogoutReq,
    ProtoOAApplicationAuthReq,
    ProtoOAClientDisconnectEvent,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAGetTrendbarsReq,
    ProtoOANewOrderReq,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderType,
    ProtoOAReconcileReq,
    ProtoOARefreshTokenReq,
    ProtoOASubscribeSpotsReq,
    ProtoOATraderReq,
    ProtoOATradeSide,
    ProtoOATrendbarPeriod,
)
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.envelope import Envelope, UnknownPayload

TOLD = {name[8:].lower(): value for name, value in os.environ.items() if name[:8] == "CTRADER_"}
TEMPO = float(TOLD["tempo"])
ACCOUNT = int(TOLD["account_id"])
BEAT = 8.0 * TEMPO
SILENCE = 30.0 * TEMPO  # nothing for so long: the link is dead
PATIENCE = 10.0 * TEMPO  # for a reply
PAUSE = 2.0 * TEMPO  # between attempts to connect
FILLED = 3


class Lost(Exception):
    """The connection is gone, or as good as gone."""


class Refused(Exception):
    """The server has said no; the text is its code."""


class Good:
    """Does the errand. The bad ones differ in a method each."""

    stay = float(TOLD["stay"])
    silence = SILENCE

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.connection = Connection(SCHEMA)
        self.socket: Any = None
        self.ordered = self.settled = False
        self.filled = self.leaving = False
        self.asked = 0

    # --- the link ---------------------------------------------------------------------------------

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=TOLD["ca"])

    def open(self) -> None:
        tcp = socket.create_connection((TOLD["host"], int(TOLD["port"])), timeout=SILENCE)
        self.socket = tcp
        if TOLD["ca"]:
            self.socket = self.context().wrap_socket(tcp, server_hostname=TOLD["host"])
        self.connection = Connection(SCHEMA)
        self.beaten = self.heard = time.monotonic()

    def send(self, message: Message) -> str:
        self.asked += 1
        msg_id = f"m{self.asked}"
        self.socket.sendall(self.connection.send(message, msg_id))
        return msg_id

    def beat(self) -> None:
        if time.monotonic() - self.beaten > BEAT:
            self.beaten = time.monotonic()
            self.socket.sendall(self.connection.send(ProtoHeartbeatEvent()))

    def receive(self, until: float) -> Iterator[Any]:
        """What comes until then, heartbeats sent meanwhile."""
        while (now := time.monotonic()) < until:
            self.beat()
            if now - self.heard > self.silence:
                raise Lost("silence")
            self.socket.settimeout(max(0.001, min(until - now, BEAT / 4)))
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                continue
            self.heard = time.monotonic()
            events = self.connection.receive_data(data)
            for event in events:
                self.happens(event)
            yield from events
            if not data:
                raise Lost("closed")

    def happens(self, event: Any) -> None:
        if isinstance(event, UnknownPayload):
            return self.unknown(event)
        message = getattr(event, "message", None)
        if isinstance(message, ProtoOAExecutionEvent):
            self.filled = self.filled or int(message.execution_type) == FILLED
        if isinstance(message, (ProtoOAAccountDisconnectEvent, ProtoOAClientDisconnectEvent)):
            self.session_over()
        return None

    def unknown(self, event: UnknownPayload) -> None:
        pass

    def session_over(self) -> None:
        if not self.leaving:  # a refresh ends the sessions of the old token
            raise Lost("the session is over")

    def ask(self, request: Message) -> Message:
        msg_id = self.send(request)
        for event in self.receive(time.monotonic() + PATIENCE):
            if isinstance(event, Envelope) and event.client_msg_id == msg_id:
                code = getattr(event.message, "error_code", None)
                if isinstance(event.message, ProtoOAOrderErrorEvent):
                    self.settled = True
                elif code is not None:
                    self.blocked(event.message)
                    raise Refused(code)
                return event.message
        raise Lost("no reply")

    def blocked(self, error: Message) -> None:
        wait = getattr(error, "retry_after", None)
        self.listen(1.0 if wait is None else wait)

    # --- the errand -------------------------------------------------------------------------------

    def log_in(self) -> None:
        self.ask(
            ProtoOAApplicationAuthReq(
                client_id=TOLD["client_id"], client_secret=TOLD["client_secret"]
            )
        )
        try:
            self.ask(
                ProtoOAAccountAuthReq(
                    ctid_trader_account_id=ACCOUNT, access_token=TOLD["access_token"]
                )
            )
        except Refused as refused:
            if str(refused) != "ALREADY_LOGGED_IN":
                raise

    def order(self) -> None:
        if not self.ordered:
            self.ordered = True
            self.ask(self.new_order("the-order"))
        elif not self.filled and not self.settled:
            self.look_up()

    def new_order(self, client_order_id: str) -> ProtoOANewOrderReq:
        return ProtoOANewOrderReq(
            ctid_trader_account_id=ACCOUNT,
            symbol_id=int(TOLD["symbol_id"]),
            order_type=ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.BUY,
            volume=100_000,
            client_order_id=client_order_id,
        )

    def look_up(self) -> None:
        self.ask(ProtoOAReconcileReq(ctid_trader_account_id=ACCOUNT))
        self.settled = True

    def history(self) -> None:
        for _ in range(int(TOLD["history"])):
            self.send(
                ProtoOAGetTrendbarsReq(
                    ctid_trader_account_id=ACCOUNT,
                    symbol_id=int(TOLD["symbol_id"]),
                    period=ProtoOATrendbarPeriod.M1,
                    to_timestamp=2_000_000_000_000,
                    count=1,
                )
            )
            self.listen(0.21)

    def listen(self, seconds: float) -> None:
        for _ in self.receive(time.monotonic() + seconds):
            pass

    def trader(self) -> None:
        self.ask(ProtoOATraderReq(ctid_trader_account_id=ACCOUNT))

    def on_link(self) -> None:
        """What is done on each connection; what is done already is not done again."""
        self.log_in()
        self.trader()
        self.ask(
            ProtoOASubscribeSpotsReq(
                ctid_trader_account_id=ACCOUNT, symbol_id=[int(TOLD["symbol_id"])]
            )
        )
        self.order()
        self.history()
        deadline = time.monotonic() + max(1.0, PATIENCE / 4)
        while not self.filled and not self.settled and time.monotonic() < deadline:
            self.listen(0.05)
        self.order()
        self.trader()
        self.trader()
        self.listen(self.began + self.stay - time.monotonic())
        self.trader()
        self.leave()

    def leave(self) -> None:
        self.leaving = True
        with suppress(Refused):
            self.ask(ProtoOARefreshTokenReq(refresh_token=TOLD["refresh_token"]))

    def lost(self, error: Exception) -> None:
        if isinstance(error, ssl.SSLCertVerificationError):
            sys.exit(f"giving up: {error}")
        if "CH_ACCESS_TOKEN_INVALID" in str(error):
            sys.exit("giving up: the grant is lost")
        time.sleep(PAUSE)

    def run(self) -> None:
        while True:
            try:
                self.open()
                self.on_link()
            except (Lost, Refused, OSError, RemoteProtocolError) as error:
                self.shut()
                self.lost(error)
            else:
                self.shut()
                return

    def shut(self) -> None:
        if self.socket is not None:
            self.socket.close()


# --- bad habits -----------------------------------------------------------------------------------


class Resends(Good):
    """Sends its order again when it does not know."""

    def look_up(self) -> None:
        super().look_up()
        self.ask(self.new_order("the-order"))


class ResendsUnderAnotherName(Good):
    """The same, with an id that is new."""

    def look_up(self) -> None:
        super().look_up()
        self.ask(self.new_order("another-order"))


class NeverLooks(Good):
    """Takes it that an order of which it hears nothing was not carried out."""

    def look_up(self) -> None:
        self.settled = True


class BeatsLate(Good):
    stay = 7.0

    def beat(self) -> None:
        pass


class Storms(Good):
    def lost(self, error: Exception) -> None:
        pass


class AsksBeforeItLogsIn(Good):
    def log_in(self) -> None:
        with suppress(Refused):
            self.trader()
        super().log_in()


class AsksAfterLogout(Good):
    def leave(self) -> None:
        self.leaving = True
        self.ask(ProtoOAAccountLogoutReq(ctid_trader_account_id=ACCOUNT))
        with suppress(Refused):
            self.trader()


class Floods(Good):
    """Asks as fast as it can write."""

    def leave(self) -> None:
        for _ in range(80):
            self.send(ProtoOATraderReq(ctid_trader_account_id=ACCOUNT))
        self.listen(0.3)


class Hangs(Good):
    """It, and what it has started, take no hint."""

    def lost(self, error: Exception) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            signal.pause()
        sys.stderr.write("on and on\n")
        while True:
            signal.pause()


class Crashes(Good):
    def unknown(self, event: UnknownPayload) -> None:
        raise KeyError(event.payload_type)


class DiesOfASignal(Good):
    def unknown(self, event: UnknownPayload) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Fails(Good):
    def lost(self, error: Exception) -> None:
        sys.exit("the connection is gone, and so am I")


class DoesNotReconnect(Good):
    """And says that all is well."""

    def lost(self, error: Exception) -> None:
        sys.exit(0)


class ForgetsItsQuotes(Good):
    def on_link(self) -> None:
        if self.ordered:
            self.log_in()
            self.order()
            return
        super().on_link()


class NoticesNothing(Good):
    """Waits for ever for a server that says no more."""

    silence = math.inf

    def receive(self, until: float) -> Iterator[Any]:
        yield from super().receive(math.inf if self.ordered else until)


class IsImpatient(Good):
    def blocked(self, error: Message) -> None:
        assert isinstance(error, ProtoOAErrorRes)
        time.sleep(0.05)


class TrustsAnybody(Good):
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


class RefreshesTwice(Good):
    """Tries a refresh token that is spent again."""

    def leave(self) -> None:
        self.leaving = True
        for _ in range(2):
            with suppress(Lost, Refused):
                self.ask(ProtoOARefreshTokenReq(refresh_token=TOLD["refresh_token"]))


class AsksForHistoryFirst(Good):
    def order(self) -> None:
        if not self.ordered:
            self.history()
        super().order()

    def history(self) -> None:
        if not self.ordered:
            super().history()


class BurstsOfHistory(Good):
    """All that it was told to ask for, in one second."""

    def listen(self, seconds: float) -> None:
        super().listen(0.0 if seconds == 0.21 else seconds)


class NeverOrders(Good):
    def order(self) -> None:
        pass


class LeavesEarly(Good):
    stay = 0.0


class NeverConnects(Good):
    def run(self) -> None:
        pass


HABITS: dict[str, Callable[[], Good]] = {
    cls.__name__: cls for cls in (Good, *Good.__subclasses__())
}

if __name__ == "__main__":
    HABITS[sys.argv[1]]().run()
