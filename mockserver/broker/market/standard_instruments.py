"""The standard catalogue as data: assets, classes, categories, symbols, leverage schemes.

EURUSD, XAUUSD, US100.cash and GER40.cash are as a real server sent them (recorded SymbolById and
SymbolsList); BTCUSD has the commission, lot and leverage that the recorded trades show. The others
are modelled on them.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from ctrader_typed.proto import (
    ProtoOAArchivedSymbol,
    ProtoOAAsset,
    ProtoOAAssetClass,
    ProtoOACommissionType,
    ProtoOADayOfWeek,
    ProtoOADynamicLeverage,
    ProtoOADynamicLeverageTier,
    ProtoOAHoliday,
    ProtoOAInterval,
    ProtoOALightSymbol,
    ProtoOAMinCommissionType,
    ProtoOASwapCalculationType,
    ProtoOASymbol,
    ProtoOASymbolCategory,
    ProtoOASymbolDistanceType,
    ProtoOATradingMode,
)

_ASSETS = (  # id, name, name for people, digits
    (5, "EUR", "Euro", 2),
    (6, "GBP", "British Pound", 2),
    (7, "JPY", "Japanese Yen", 0),
    (8, "AUD", "Australian Dollar", 2),
    (9, "CHF", "Swiss Franc", 2),
    (15, "USD", "United States Dollar", 2),
    (17, "XAU", "Gold", 2),
    (21, "BTC", "Bitcoin", 8),
    (1257, "GER40.cash", "German 40 Index", 2),
    (1259, "US500.cash", "S&P 500 Index", 2),
    (1261, "US100.cash", "NASDAQ 100 Index", 2),
)
ASSETS = tuple(
    ProtoOAAsset(asset_id=number, name=name, display_name=shown, digits=digits)
    for number, name, shown, digits in _ASSETS
)
_ASSET_IDS = {name: number for number, name, _, _ in _ASSETS}

ASSET_CLASSES = tuple(
    ProtoOAAssetClass(id=number, name=name, sorting_number=float(number))
    for number, name in ((1, "Forex"), (2, "Metals"), (3, "Indices"), (4, "Crypto Currencies"))
)

FOREX, METALS, INDICES, CRYPTO = 11, 9, 13, 19
CATEGORIES = tuple(
    ProtoOASymbolCategory(id=number, asset_class_id=of, name=name, sorting_number=place)
    for number, of, name, place in (
        (METALS, 2, "Metals CFD", 1.0),
        (INDICES, 3, "Cash CFD", 2.0),
        (FOREX, 1, "Forex", 3.0),
        (CRYPTO, 4, "Crypto CFD", 4.0),
    )
)

# In 1/100, like leverageInCents: the recorded 1:3.33 of BTCUSD has no other whole number.
LEVERAGES = tuple(
    ProtoOADynamicLeverage(
        leverage_id=number,
        tiers=[ProtoOADynamicLeverageTier(volume=v, leverage=r) for v, r in tiers],
    )
    for number, tiers in (
        (1011, ((500_000_000, 5_000), (2_000_000_000, 2_000), (10_000_000_000, 1_000))),
        (1020, ((1_000_000_000, 10_000), (5_000_000_000, 5_000), (20_000_000_000, 2_000))),
        (1031, ((500_000_000, 10_000), (2_500_000_000, 5_000), (10_000_000_000, 1_000))),
        (1040, ((1_000_000_000, 333), (5_000_000_000, 200))),
    )
)


def _weekdays(opens: int, closes: int, friday: int | None = None) -> list[ProtoOAInterval]:
    """Monday to Friday, each from `opens` to `closes` seconds after its midnight."""
    return [
        ProtoOAInterval(
            start_second=day * 86_400 + opens,
            end_second=day * 86_400 + (friday if day == 5 and friday is not None else closes),
        )
        for day in range(1, 6)
    ]


def _night_to_afternoon() -> list[ProtoOAInterval]:
    """Sunday to Friday, from 18:00 of the evening before to 17:00."""
    return [
        ProtoOAInterval(start_second=day * 86_400 + 64_800, end_second=day * 86_400 + 147_600)
        for day in range(5)
    ]


def _holiday(
    number: int, name: str, month: int, day: int, zone: str, begins: int | None = None
) -> ProtoOAHoliday:
    return ProtoOAHoliday(
        holiday_id=number,
        name=name,
        schedule_time_zone=zone,
        holiday_date=(date(2020, month, day) - date(1970, 1, 1)).days,
        is_recurring=True,
        start_second=begins,
    )


def _holidays(zone: str, *, half_days: bool = False) -> list[ProtoOAHoliday]:
    holidays = [
        _holiday(1, "New Year", 1, 1, zone),
        _holiday(2, "Christmas Day", 12, 25, zone),
    ]
    if half_days:
        holidays.append(_holiday(3, "Christmas Eve", 12, 24, zone, 46_800))
    return holidays


# Every recorded symbol has a field 41 that no published schema knows, with the value 1.
_FIELD_41 = b"\xc8\x02\x01"


def _symbol(number: int, **own: Any) -> ProtoOASymbol:
    """A symbol with what all of this broker's symbols have in common."""
    fields: dict[str, Any] = {
        "pip_position": 0,
        "enable_short_selling": True,
        "guaranteed_stop_loss": False,
        "swap_rollover3_days": ProtoOADayOfWeek.WEDNESDAY,
        "commission": 0,
        "commission_type": ProtoOACommissionType.USD_PER_LOT,
        "sl_distance": 0,
        "tp_distance": 0,
        "gsl_distance": 0,
        "gsl_charge": 0,
        "distance_set_in": ProtoOASymbolDistanceType.SYMBOL_DISTANCE_IN_POINTS,
        "min_commission": 0,
        "min_commission_type": ProtoOAMinCommissionType.CURRENCY,
        "min_commission_asset": "USD",
        "rollover_commission": 0,
        "skip_rollover_days": 3,
        "schedule_time_zone": "Europe/Moscow",
        "trading_mode": ProtoOATradingMode.ENABLED,
        "rollover_commission3_days": ProtoOADayOfWeek.WEDNESDAY,
        "precise_trading_commission_rate": 0,
        "precise_min_commission": 0,
        "pnl_conversion_fee_rate": 70,
        "swap_period": 24,
        "swap_time": 1259,
        "skip_swap_periods": 0,
        "charge_swap_at_weekends": False,
        "measurement_units": "Contracts",
    }
    return ProtoOASymbol(symbol_id=number, **(fields | own)).parse(_FIELD_41)


def _pair(number: int, swap_long: float, swap_short: float, **own: Any) -> ProtoOASymbol:
    fields: dict[str, Any] = {
        "digits": 5,
        "pip_position": 4,
        "lot_size": 10_000_000,
        "min_volume": 100_000,
        "step_volume": 100_000,
        "max_volume": 10_000_000_000,
        "max_exposure": 10_000_000_000,
        "schedule": _weekdays(300, 86_100),
        "commission": 250,
        "precise_trading_commission_rate": 250_000_000,
        "leverage_id": 1020,
        "measurement_units": "",
    }
    return _symbol(number, swap_long=swap_long, swap_short=swap_short, **(fields | own))


def _index(number: int, swap_long: float, swap_short: float, **own: Any) -> ProtoOASymbol:
    fields: dict[str, Any] = {
        "digits": 2,
        "swap_rollover3_days": ProtoOADayOfWeek.FRIDAY,
        "lot_size": 100,
        "min_volume": 1,
        "step_volume": 1,
        "max_volume": 100_000,
        "max_exposure": 10_000_000_000_000,
        "schedule": _weekdays(3_900, 85_800),
        "leverage_id": 1011,
    }
    return _symbol(number, swap_long=swap_long, swap_short=swap_short, **(fields | own))


SYMBOLS = (
    _symbol(
        41,
        digits=2,
        swap_long=-0.83,
        swap_short=-0.083,
        lot_size=10_000,
        min_volume=100,
        step_volume=100,
        max_volume=1_000_000_000,
        max_exposure=3_000_000_000,
        schedule=_weekdays(3_900, 85_800),
        commission=70,
        commission_type=ProtoOACommissionType.PERCENTAGE_OF_VALUE,
        precise_trading_commission_rate=70,
        leverage_id=1031,
    ),
    _index(275, -6.3431, 0.2737),
    _index(279, -4.3289, -0.2763, schedule=_weekdays(3_900, 85_800, friday=82_200)),
    _index(
        276,
        -1.6802,
        0.0731,
        # Hours that follow New York's daylight saving, unlike those of the recorded symbols.
        schedule=_night_to_afternoon(),
        schedule_time_zone="America/New_York",
        holiday=_holidays("America/New_York", half_days=True),
    ),
    _pair(1, -1.106, 0.059),
    _pair(
        2,
        -0.412,
        -0.538,
        holiday=_holidays("Europe/London"),
        guaranteed_stop_loss=True,
        gsl_distance=100,
        gsl_charge=2,
        sl_distance=5,
        tp_distance=5,
    ),
    _pair(3, 0.704, -2.11, digits=3, pip_position=2),
    _pair(4, 1.024, -2.383, digits=3, pip_position=2),
    _pair(
        5,
        -0.322,
        -0.214,
        # The other way of charging: 30 US dollars a million, at least 1 dollar.
        commission=3_000,
        commission_type=ProtoOACommissionType.USD_PER_MILLION_USD,
        precise_trading_commission_rate=3_000_000_000,
        min_commission=100,
        precise_min_commission=100_000_000,
    ),
    _pair(6, 0.611, -1.428, rollover_commission=5),
    _pair(
        9,
        -0.71,
        0.12,
        commission=200,
        commission_type=ProtoOACommissionType.QUOTE_CCY_PER_LOT,
        precise_trading_commission_rate=200_000_000,
        min_commission_type=ProtoOAMinCommissionType.QUOTE_CURRENCY,
    ),
    _symbol(
        324,
        digits=2,
        swap_long=-20.0,
        swap_short=-10.0,
        # A year's percentage, and at weekends too.
        swap_calculation_type=ProtoOASwapCalculationType.PERCENTAGE,
        charge_swap_at_weekends=True,
        swap_rollover3_days=ProtoOADayOfWeek.NONE,
        lot_size=100,
        min_volume=1,
        step_volume=1,
        max_volume=10_000,
        max_exposure=100_000,
        schedule=[ProtoOAInterval(start_second=0, end_second=604_800)],
        schedule_time_zone="UTC",
        commission=3_250,
        commission_type=ProtoOACommissionType.PERCENTAGE_OF_VALUE,
        precise_trading_commission_rate=3_250,
        leverage_id=1040,
    ),
)

_NAMES = (  # id, name, base, quote, category, description
    (41, "XAUUSD", "XAU", "USD", METALS, "Gold vs US Dollar, Spot CFD"),
    (275, "US100.cash", "US100.cash", "USD", INDICES, "NASDAQ 100 Index, Spot CFD"),
    (276, "US500.cash", "US500.cash", "USD", INDICES, "S&P 500 Index, Spot CFD"),
    (279, "GER40.cash", "GER40.cash", "EUR", INDICES, "German 40 Index, Spot CFD"),
    (1, "EURUSD", "EUR", "USD", FOREX, "Euro vs United States Dollar"),
    (2, "GBPUSD", "GBP", "USD", FOREX, "British Pound vs United States Dollar"),
    (3, "EURJPY", "EUR", "JPY", FOREX, "Euro vs Japanese Yen"),
    (4, "USDJPY", "USD", "JPY", FOREX, "United States Dollar vs Japanese Yen"),
    (5, "AUDUSD", "AUD", "USD", FOREX, "Australian Dollar vs United States Dollar"),
    (6, "USDCHF", "USD", "CHF", FOREX, "United States Dollar vs Swiss Franc"),
    (9, "EURGBP", "EUR", "GBP", FOREX, "Euro vs British Pound"),
    (324, "BTCUSD", "BTC", "USD", CRYPTO, "Bitcoin vs US Dollar, Spot CFD"),
)
LIGHT_SYMBOLS = tuple(
    ProtoOALightSymbol(
        symbol_id=number,
        symbol_name=name,
        enabled=True,
        base_asset_id=_ASSET_IDS[base],
        quote_asset_id=_ASSET_IDS[quote],
        symbol_category_id=category,
        description=description,
        sorting_number=float(place),
    )
    for place, (number, name, base, quote, category, description) in enumerate(_NAMES, start=3)
)

ARCHIVED_SYMBOLS = (
    ProtoOAArchivedSymbol(
        symbol_id=77,
        name="EURRUB",
        utc_last_update_timestamp=1_646_092_800_000,
        description="Euro vs Russian Ruble",
    ),
)
