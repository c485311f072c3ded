"""What an account can trade: its symbols by name or id, with their assets and categories.

Loads them, and again what has changed; knows no prices, and not who tells it of changes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar, cast

import trio

from ..client import Client
from ..error_codes import Category
from ..errors import InvalidValue, UnknownName
from ..message import Message, Request
from ..proto import (
    ProtoOAAsset,
    ProtoOAAssetClass,
    ProtoOAAssetClassListReq,
    ProtoOAAssetListReq,
    ProtoOALightSymbol,
    ProtoOASymbol,
    ProtoOASymbolByIdReq,
    ProtoOASymbolCategory,
    ProtoOASymbolCategoryListReq,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
)
from ..protocol.errors import AuthError, ServerError, UnexpectedReply
from ..units import checks
from ..units.numbers import as_int
from .conversion import Chain
from .names import loose, unknown
from .symbol import ArchivedSymbol, Symbol

BATCH = 100
"""Symbols described by one request; 50 to 200 were seen to work."""

MOST_REFUSED = 10
"""Symbols that the server may refuse to describe; with one more it is taken to refuse them all."""

_FOR_NOW = frozenset((Category.UNAVAILABLE, Category.RATE_LIMIT))

R = TypeVar("R", bound=Message)

log = logging.getLogger(__name__)


async def load_catalogue(client: Client, account_id: int) -> Catalogue:
    """The symbols of an authorised account as they are now.

    Five requests, and one more for each hundred symbols. Raises what `client.request` does. Who
    wants to hear of changes uses `keep_catalogue`.
    """
    catalogue = Catalogue(account_id)
    await catalogue.refresh(client)
    return catalogue


class Catalogue:
    """The symbols of an account: `catalogue["EURUSD"]`, `catalogue[1]`, `for symbol in catalogue`.

    Symbols are values: after a `refresh` that brought changes it has others in their places. What
    the server refuses costs only itself: a symbol whose details it does not give is not there, and
    `refused` says why; without assets, asset classes or categories symbols have none.
    """

    def __init__(self, account_id: int) -> None:
        self._account_id = checks.whole(account_id, "account_id", 0)
        self._symbols: dict[int, Symbol] = {}
        self._archived: dict[int, ArchivedSymbol] = {}
        self._refused: dict[int, ServerError] = {}
        self._refused_names: dict[str, int] = {}
        self._names: dict[str, int] = {}
        self._loose_names: dict[str, int] = {}
        self._assets: dict[int, ProtoOAAsset] = {}
        self._classes: dict[int, ProtoOAAssetClass] = {}
        self._categories: dict[int, ProtoOASymbolCategory] = {}
        self._chains: dict[tuple[int, int], Chain] = {}
        self._stale: set[int] = set()
        self._all_stale = True
        self._refreshing = trio.Lock()

    @property
    def account_id(self) -> int:
        """The ctidTraderAccountId."""
        return self._account_id

    # --- looked up ---

    def __getitem__(self, key: str | int) -> Symbol:
        """A symbol by its name or id. UnknownName, a KeyError, names those that are spelt alike, or
        says that it is archived.

        A name is found without its case, slashes and dots, too, if only one symbol is spelt so.
        """
        found = self.get(key)
        if found is not None:
            return found
        gone = [each for each in self._archived.values() if key in (each.id, each.name)]
        if gone:
            raise UnknownName(f"symbol {gone[0].name} ({gone[0].id}) is archived: traded no more")
        number = self._refused_names.get(key) if isinstance(key, str) else key
        if number in self._refused:
            raise UnknownName(f"symbol {key} has no details: {self._refused[number]}")
        raise UnknownName(unknown("symbol", key, self._names))

    def get(self, key: str | int) -> Symbol | None:
        """A symbol by its name or id; None if there is none."""
        if not isinstance(key, str):
            return self._symbols.get(checks.identifier(key, "symbol", "EURUSD"))
        number = self._names.get(key)
        if number is None:
            number = self._loose_names.get(loose(key))
        return None if number is None else self._symbols.get(number)

    def __contains__(self, key: object) -> bool:
        named = isinstance(key, str) or as_int(key) is not None
        return named and self.get(cast("str | int", key)) is not None

    def __iter__(self) -> Iterator[Symbol]:
        return iter(tuple(self._symbols.values()))

    def __len__(self) -> int:
        return len(self._symbols)

    @property
    def symbols(self) -> Mapping[int, Symbol]:
        """By their ids, in the server's order. One that is archived later stays, and says so."""
        return MappingProxyType(self._symbols)

    @property
    def archived(self) -> Mapping[int, ArchivedSymbol]:
        """What is traded no more, by its ids."""
        return MappingProxyType(self._archived)

    @property
    def refused(self) -> Mapping[int, ServerError]:
        """By their ids, the symbols that are listed, but not here or not up to date: the server did
        not give their details the last time, and said this.
        """
        return MappingProxyType(self._refused)

    @property
    def assets(self) -> Mapping[int, ProtoOAAsset]:
        """Currencies and whatever else symbols are about, by their ids."""
        return MappingProxyType(self._assets)

    @property
    def asset_classes(self) -> Mapping[int, ProtoOAAssetClass]:
        """Classes of assets, such as Forex, by their ids."""
        return MappingProxyType(self._classes)

    @property
    def categories(self) -> Mapping[int, ProtoOASymbolCategory]:
        """Categories of symbols, each within an asset class, by their ids."""
        return MappingProxyType(self._categories)

    def asset(self, key: str | int) -> ProtoOAAsset:
        """An asset by its name (EUR) or id; UnknownName, a KeyError, names those spelt alike."""
        found = self.find_asset(key)
        if found is not None:
            return found
        raise UnknownName(unknown("asset", key, [asset.name for asset in self._assets.values()]))

    def find_asset(self, key: str | int) -> ProtoOAAsset | None:
        """An asset by its name or id; None if there is none."""
        if not isinstance(key, str):
            return self._assets.get(checks.identifier(key, "asset", "EUR"))
        assets = self._assets.values()
        for each in assets:
            if each.name == key:
                return each
        alike = [each for each in assets if loose(each.name) == loose(key)]
        return alike[0] if len(alike) == 1 else None

    def __repr__(self) -> str:
        stale = "" if self.fresh else ", to be refreshed"
        return f"<Catalogue of {self._account_id}: {len(self)} symbols{stale}>"

    # --- kept up to date ---

    @property
    def fresh(self) -> bool:
        """Whether it is loaded and has heard of no change since."""
        return not (self._all_stale or self._stale)

    def changed(self, symbol_ids: Iterable[int] | None = None) -> None:
        """Some symbols have changed, as ProtoOASymbolChangedEvent says; None for all of them, when
        such an event may have been missed. `refresh` loads them.
        """
        if symbol_ids is None:
            self._all_stale = True
        else:
            self._stale.update(symbol_ids)

    async def refresh(self, client: Client) -> None:
        """Load what is missing or has changed; nothing is asked for if nothing is or has.

        Raises what `client.request` does; then, and when cancelled, the catalogue is as it was, and
        what was to be loaded still is.
        """
        checks.client(client)
        client.trio_run.check()  # as a lock that is waited for elsewhere breaks both runs
        async with self._refreshing:
            if self.fresh:
                return
            everything, self._all_stale = self._all_stale, False
            stale, self._stale = self._stale, set()
            try:
                await self._load(client, everything, stale)
            except BaseException:
                self._all_stale |= everything
                self._stale |= stale
                raise

    async def _load(self, client: Client, everything: bool, stale: Collection[int]) -> None:
        account = self._account_id
        archived = client.schema.has(ProtoOASymbolsListReq, "include_archived_symbols")
        listing = await client.request(
            ProtoOASymbolsListReq(
                ctid_trader_account_id=account, include_archived_symbols=archived or None
            )
        )
        if everything or not self._places(listing.symbol):
            await self._load_kinds(client)
        refused: dict[int, ServerError] = {}
        described = await self._describe(
            client,
            [
                light.symbol_id
                for light in listing.symbol
                if everything or light.symbol_id in stale or not self._lists(light.symbol_id)
            ],
            refused,
        )
        self._take(listing, described)
        self._refused = {
            each.symbol_id: error
            for each in listing.symbol
            if (error := refused.get(each.symbol_id, self._refused.get(each.symbol_id))) is not None
            and each.symbol_id not in described
        }
        self._refused_names = {
            each.symbol_name or "": each.symbol_id
            for each in listing.symbol
            if each.symbol_id in self._refused
        }

    async def _load_kinds(self, client: Client) -> None:
        """What symbols are about, and how they are sorted. They can be traded without."""
        account = self._account_id
        assets = await _optional(client, ProtoOAAssetListReq(ctid_trader_account_id=account))
        classes = await _optional(client, ProtoOAAssetClassListReq(ctid_trader_account_id=account))
        categories = await _optional(
            client, ProtoOASymbolCategoryListReq(ctid_trader_account_id=account)
        )
        if assets is not None:
            self._assets = {each.asset_id: each for each in assets.asset}
        if classes is not None:
            self._classes = {each.id: each for each in classes.asset_class if each.id is not None}
        if categories is not None:
            self._categories = {each.id: each for each in categories.symbol_category}

    def _lists(self, symbol_id: int) -> bool:
        known = self._symbols.get(symbol_id)
        return known is not None and not known.archived

    def _places(self, lights: Iterable[ProtoOALightSymbol]) -> bool:
        """Whether all assets and categories of these symbols are known."""
        assets = {each for light in lights for each in (light.base_asset_id, light.quote_asset_id)}
        categories = {light.symbol_category_id for light in lights}
        return assets - {None} <= self._assets.keys() and (
            categories - {None} <= self._categories.keys()
        )

    async def _describe(
        self,
        client: Client,
        symbol_ids: list[int],
        refused: dict[int, ServerError],
        batch: int = BATCH,
    ) -> dict[int, ProtoOASymbol]:
        """A refusal of several may be about one of them: then they are asked for by halves."""
        described: dict[int, ProtoOASymbol] = {}
        for start in range(0, len(symbol_ids), batch):
            some = symbol_ids[start : start + batch]
            try:
                answer = await client.request(
                    ProtoOASymbolByIdReq(ctid_trader_account_id=self._account_id, symbol_id=some)
                )
            except ServerError as error:
                if _is_about_all(error) or len(refused) == MOST_REFUSED:
                    raise
                if len(some) == 1:
                    log.warning("symbol %d of account %d: %s", some[0], self._account_id, error)
                    refused[some[0]] = error
                    continue
                half = (len(some) + 1) // 2
                described.update(await self._describe(client, some, refused, half))
            else:
                described.update((details.symbol_id, details) for details in answer.symbol)
        return described

    def _take(self, listing: ProtoOASymbolsListRes, described: Mapping[int, ProtoOASymbol]) -> None:
        """The symbols as they are now. One that is listed but not described is left out."""
        before = self._symbols
        symbols: dict[int, Symbol] = {}
        for light in listing.symbol:
            known = before.get(light.symbol_id)
            details = described.get(light.symbol_id, known.details if known else None)
            if details is not None:
                symbols[light.symbol_id] = self._symbol(light, details)
        for number in before.keys() - symbols.keys():
            symbols[number] = replace(before[number], archived=True)
        self._symbols = symbols
        self._archived = {each.symbol_id: ArchivedSymbol(each) for each in listing.archived_symbol}
        # Where two have one name, the one that can be traded has it, then the first.
        ordered = sorted(symbols.values(), key=lambda symbol: not symbol.enabled)
        self._names = {symbol.name: symbol.id for symbol in reversed(ordered)}
        listed = {each.symbol_name or "" for each in listing.symbol}
        gone = {each.name for each in self._archived.values()}
        spelt = Counter(map(loose, listed | gone | set(self._names)))
        self._loose_names = {
            loose(name): number for name, number in self._names.items() if spelt[loose(name)] == 1
        }
        self._chains = {
            ends: chain
            for ends, chain in self._chains.items()
            if all(map(self._lists, chain.symbol_ids))
        }

    def _symbol(self, light: ProtoOALightSymbol, details: ProtoOASymbol) -> Symbol:
        category = self._categories.get(light.symbol_category_id or 0)
        return Symbol(
            light,
            details,
            base=self._assets.get(light.base_asset_id or 0),
            quote=self._assets.get(light.quote_asset_id or 0),
            category=category,
            asset_class=None if category is None else self._classes.get(category.asset_class_id),
        )

    # --- from one asset to another ---

    def known_chain(self, first: int, last: int) -> Chain | None:
        """The chain between two assets, by their ids, if it was loaded; that of an asset to itself
        is always known.
        """
        return Chain(first, last, ()) if first == last else self._chains.get((first, last))

    async def chain(self, client: Client, first: str | int, last: str | int) -> Chain:
        """The symbols that lead from one asset to another, by their names or ids: asked for once.

        Raises UnknownName for a name that is none; UnexpectedReply if the symbols lead elsewhere;
        what `client.request` does, ServerError where no symbols lead there. Can be cancelled.
        """
        ends = tuple(
            self.asset(end).asset_id if isinstance(end, str) else end for end in (first, last)
        )
        known = self.known_chain(ends[0], ends[1])
        if known is not None:
            await trio.lowlevel.checkpoint()
            return known
        request = ProtoOASymbolsForConversionReq(
            ctid_trader_account_id=self._account_id, first_asset_id=ends[0], last_asset_id=ends[1]
        )
        answer = await client.request(request)
        try:
            chain = Chain(ends[0], ends[1], tuple(answer.symbol))
        except InvalidValue as error:
            expected = f"a chain of symbols from asset {ends[0]} to {ends[1]}"
            raise UnexpectedReply(request, answer, expected) from error
        self._chains[ends[0], ends[1]] = chain
        return chain


async def _optional(client: Client, request: Request[R]) -> R | None:
    """None if the server refuses it for itself, or the release has no such list."""
    if client.schema.find(type(request)) is None:
        return None
    try:
        return await client.request(request)
    except ServerError as error:
        if _is_about_all(error):
            raise
        log.warning("%s", error)
        return None


def _is_about_all(error: ServerError) -> bool:
    """Whether it is no use to ask for other things: the session is at fault, or the server."""
    return isinstance(error, AuthError) or error.advice.category in _FOR_NOW
