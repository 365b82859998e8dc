"""The user's table of prices: what its entries say, and which entry a call is priced by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from ..config import documents
from .matching import FOREVER, Where
from .sheet import TOKENS, UNITS, Sheet

_PRICES = TOKENS | UNITS
_CONDITIONS = frozenset({"model", "provider", "host", "endpoint", "from", "until", "currency", "discount"})
_MODEL_KEYS = _CONDITIONS | _PRICES | {"above", "tiers", "minimum_seconds"}
_HOST_KEYS = frozenset({"host", "endpoint", "from", "until", "currency", "discount"}) | {
    *("per_hour", "instance", "count", "share"),
}


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """Prices of models. Without prices of its own it takes a ``discount`` off the list price."""

    label: str
    where: Where
    currency: str
    discount: Decimal
    #: ``None``: the list price.
    sheet: Sheet | None
    tiers: Mapping[str, Sheet] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostEntry:
    """A host of one's own that is paid by the hour, whoever calls it."""

    label: str
    where: Where
    currency: str
    per_hour: Decimal


@dataclass(frozen=True, slots=True)
class Table:
    """All entries, in the order in which they are tried."""

    models: tuple[ModelEntry, ...] = ()
    hosts: tuple[HostEntry, ...] = ()

    @classmethod
    def load(cls, path: str) -> Table:
        """Read the table in the file at ``path``.

        :raises ValueError: that says what is wrong, and in which entry.
        """
        try:
            text = documents.read(path)
        except ValueError as error:  # who asked knows the path
            raise ValueError(str(error).removeprefix(f"{path} ")) from None
        return cls.of(documents.parse(text, "cost"))

    @classmethod
    def of(cls, document: Any) -> Table:
        """Read a document. :raises ValueError: as :meth:`load`."""
        if not isinstance(document, Mapping):
            raise ValueError(f"a table of prices is a mapping with the keys models and hosts, not {document!r:.80}")
        _known(document, frozenset({"currency", "models", "instances", "hosts"}), "the table")
        currency = _currency(document.get("currency", "USD"))
        instances = _mapping(document.get("instances") or {}, "instances")
        per_hour = {str(name): _price(price, f"instances: {name}") for name, price in instances.items()}
        return cls(
            _entries(document, "models", lambda entry: _model(entry, currency)),
            _entries(document, "hosts", lambda entry: _host(entry, currency, per_hour)),
        )


def first_in_force(hosts: Iterable[HostEntry], at_ns: int) -> HostEntry | None:
    """The first of ``hosts`` that holds at a time, in nanoseconds since the epoch."""
    for host in hosts:
        begin, end = host.where.period
        if begin <= at_ns < end:
            return host
    return None


# --- reading --------------------------------------------------------------------------------------


def _entries(document: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], Any]) -> tuple[Any, ...]:
    listed = document.get(key) or []
    if not isinstance(listed, list):
        raise ValueError(f"{key} must be a list, not {listed!r:.80}")
    found = []
    for number, entry in enumerate(listed, 1):
        try:
            found.append(read(_mapping(entry, "an entry")))
        except ValueError as error:
            raise ValueError(f"{key}, entry {number}: {error}") from None
    return tuple(found)


def _model(entry: Mapping[str, Any], currency: str) -> ModelEntry:
    _known(entry, _MODEL_KEYS, "it")
    where = _where(entry)
    if not where.models and not where.names_host:
        raise ValueError("needs a model, a host or an endpoint")
    discount = _share(entry.get("discount", 0), "discount")
    given = {name for name in entry if name in _PRICES}
    if not given and not discount:
        raise ValueError("has neither prices nor a discount")
    sheet = None
    tiers: dict[str, Sheet] = {}
    if given:
        full = _sheet(entry)
        sheet = full.less(discount)
        for name, prices in _mapping(entry.get("tiers") or {}, "tiers").items():
            tiers[str(name)] = _tier(full, _mapping(prices, f"tiers: {name}"), str(name)).less(discount)
    elif unpriced := sorted({"tiers", "above", "currency"} & entry.keys()):
        raise ValueError(f"{', '.join(unpriced)}: only with prices; a discount alone is on the list price, in USD")
    return ModelEntry(_label(entry), where, _currency(entry.get("currency", currency)), discount, sheet, tiers)


def _tier(full: Sheet, entry: Mapping[str, Any], name: str) -> Sheet:
    """The prices of a tier: a discount on the common ones, or its own. Fees beside the tokens stay unless given."""
    _known(entry, _PRICES | {"above", "discount"}, f"tiers: {name}")
    own = _sheet(entry)
    if "discount" in entry:
        if own.prices:
            raise ValueError(f"tiers: {name} has prices and a discount")
        return full.less(_share(entry["discount"], f"tiers: {name}: discount"))
    if not own.prices and not own.images:
        raise ValueError(f"tiers: {name} has neither prices nor a discount")
    fees = {key: price for key, price in full.prices.items() if key not in TOKENS}
    return Sheet({**fees, **own.prices}, own.steps, own.images or full.images, full.minimum_seconds)


def _sheet(entry: Mapping[str, Any]) -> Sheet:
    prices: dict[str, Decimal] = {}
    images: dict[str, Decimal] = {}
    for name in _PRICES & entry.keys():
        if name == "image" and isinstance(entry[name], Mapping):
            images = {str(key): _price(price, f"image: {key}") for key, price in entry[name].items()}
        else:
            prices[name] = _price(entry[name], name)
    steps = []
    for limit, instead in _mapping(entry.get("above") or {}, "above").items():
        if type(limit) is not int or limit < 1:
            raise ValueError(f"above: {limit!r} is no number of tokens")
        replaced = _mapping(instead, f"above: {limit}")
        _known(replaced, TOKENS, f"above: {limit}")
        steps.append((limit, {name: _price(price, f"above: {limit}: {name}") for name, price in replaced.items()}))
    least = entry.get("minimum_seconds", 0)
    if type(least) not in (int, float) or not least >= 0:
        raise ValueError(f"minimum_seconds must be a number of seconds, not {least!r}")
    return Sheet(prices, tuple(sorted(steps)), images, float(least))


def _host(entry: Mapping[str, Any], currency: str, instances: Mapping[str, Decimal]) -> HostEntry:
    _known(entry, _HOST_KEYS, "it")
    where = _where(entry)
    if not where.names_host:
        raise ValueError("needs a host or an endpoint")
    if ("per_hour" in entry) == ("instance" in entry):
        raise ValueError("needs per_hour or instance, and not both")
    if "per_hour" in entry:
        price = _price(entry["per_hour"], "per_hour")
    elif (instance := str(entry["instance"])) in instances:
        price = instances[instance]
    else:
        raise ValueError(f"the instance {instance} has no price under instances")
    count = entry.get("count", 1)
    if type(count) is not int or count < 0:
        raise ValueError(f"count must be a number of instances, not {count!r}")
    price *= count * (1 - _share(entry.get("discount", 0), "discount")) * _share(entry.get("share", 1), "share")
    return HostEntry(_label(entry), where, _currency(entry.get("currency", currency)), price)


def _where(entry: Mapping[str, Any]) -> Where:
    period = _moment(entry.get("from"), FOREVER[0], "from"), _moment(entry.get("until"), FOREVER[1], "until")
    if period[0] >= period[1]:
        raise ValueError("from must be before until")
    models, providers, hosts, endpoints = (
        _patterns(entry.get(name), name) for name in ("model", "provider", "host", "endpoint")
    )
    return Where(models, providers, hosts, endpoints, period)


def _patterns(value: Any, name: str) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, str) and one for one in given) or (isinstance(value, list) and not value):
        raise ValueError(f"{name} must be a name or a list of names, not {value!r:.80}")
    return tuple(one.lower() for one in given)


def _moment(value: Any, otherwise: int, name: str) -> int:
    if value is None:
        return otherwise
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{name} must be a date, not {value!r}") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError(f"{name} must be a date, not {value!r}")
    return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000


def _price(value: Any, name: str) -> Decimal:
    if type(value) not in (int, float, str):
        raise ValueError(f"{name} must be a price, not {value!r:.80}")
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} must be a price, not {value!r:.80}") from None
    if not price.is_finite() or not 0 <= price < 10**12:  # sums of higher ones could overflow
        raise ValueError(f"{name} must be a price, not {value!r:.80}")
    return price


def _share(value: Any, name: str) -> Decimal:
    """A share from 0 to 1, or in percent."""
    percent = isinstance(value, str) and value.endswith("%")
    share = _price(value.removesuffix("%").strip() if percent else value, name) / (100 if percent else 1)
    if share > 1:
        raise ValueError(f"{name} must be from 0 to 1, or in percent, not {value!r}")
    return share


def _currency(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 3 or not value.isalpha() or not value.isascii():
        raise ValueError(f"currency must be an ISO 4217 code such as EUR, not {value!r:.80}")
    return value.upper()


def _label(entry: Mapping[str, Any]) -> str:
    shown = ("model", "provider", "host", "endpoint", "from", "until")
    return ", ".join(f"{name}: {_shown(entry[name])}" for name in shown if name in entry)


def _shown(value: Any) -> str:
    return " | ".join(map(str, value)) if isinstance(value, list) else str(value)


def _mapping(value: Any, name: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be a mapping, not {value!r:.80}")
    return value


def _known(entry: Mapping[Any, Any], known: frozenset[str], name: str) -> None:
    if unknown := sorted(str(key) for key in entry if key not in known):
        raise ValueError(f"{name} has the unknown key {', '.join(unknown)}; there are {', '.join(sorted(known))}")
