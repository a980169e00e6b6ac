"""Prices in USD: tokens, accelerator time, bytes over the networks, electricity (prices.csv, COSTS 9)."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from edge6g_env._files import TextError
from edge6g_env.costs import profiles
from edge6g_env.costs.specs import DeviceSpec, ModelSpec
from edge6g_env.costs.tables import UnknownNameError, read_rows, shipped_devices, unknown

# Where a byte is carried -> row of prices.csv.
NETWORK_ROWS = {
    "air": "mobile network, all of it",
    "backhaul": "mobile backhaul and core",
    "cloud_egress": "cloud egress to internet",
}
ACCELERATOR_KINDS = ("gpu_rent", "gpu_amortised")
JOULES_A_KWH = 3.6e6


class Price(NamedTuple):
    """A row of prices.csv; status: seen in a source (verified), remembered (recalled) or set by us (judgement)."""

    value: float
    unit: str
    kind: str
    source: str
    status: str


class TokenPrice(NamedTuple):
    """USD per token that goes in and that comes out."""

    in_usd: float
    out_usd: float


@cache
def _prices() -> dict[str, list[Price]]:
    table: dict[str, list[Price]] = {}
    for row in read_rows("prices.csv"):
        entry = Price(row.number("value"), row["unit"], row["kind"], row["source"], row["status"])
        for name in row["name"].split(";"):
            table.setdefault(name, []).append(entry)
    return table


def price(name: str, kind: str | None = None) -> Price:
    """The price `name` of prices.csv in the unit given there; of several, the first of that kind (the reference value).

    kind: for example token_in_out, gpu_rent, network; None takes any. ValueError if there is no such row, naming those
    there are.
    """
    try:
        rows = _prices()[name]
    except (KeyError, TypeError):
        raise unknown("name", name, _prices()) from None
    for row in rows:
        if kind is None or row.kind == kind:
            return row
    raise unknown("kind", kind, (row.kind for row in rows))


def _of_kinds(name: str, argument: str, kinds: tuple[str, ...], unit: str) -> Price:
    """The first row of `name` of one of the kinds; UnknownNameError naming what has such a row, TextError for another unit."""
    rows = _prices().get(name, []) if isinstance(name, str) else []
    found = next((row for row in rows if row.kind in kinds), None)
    if found is None:
        known = sorted(n for n, rows in _prices().items() if any(row.kind in kinds for row in rows))
        raise UnknownNameError(
            f"{argument} = {name!r} has no price of kind {' or '.join(kinds)}; known: {', '.join(known)}"
        )
    if found.unit != unit:
        raise TextError(f"prices.csv: {name} is priced in {found.unit}: expected {unit}")
    return found


def token_price_usd(model: str | ModelSpec) -> TokenPrice:
    """USD per token in and out of a model served in a cloud; ValueError naming those with a price if it has none."""
    if isinstance(model, ModelSpec) and model.own:
        return TokenPrice(model.own.usd_per_input_token, model.own.usd_per_output_token)
    name = model.name if isinstance(model, ModelSpec) else model
    rate_in = _of_kinds(name, "model", ("token_in_out", "token_in"), "USD/1M tokens")
    rate_out = _of_kinds(name, "model", ("token_in_out", "token_out"), "USD/1M tokens")
    return TokenPrice(rate_in.value * 1e-6, rate_out.value * 1e-6)


def _own_price_usd_per_hour(device: str | DeviceSpec) -> float | None:
    """What a device says itself: a profile of its machine, a row of a scenario's own."""
    if isinstance(device, DeviceSpec):
        return device.usd_per_hour
    profile = None if device in shipped_devices() else profiles.find(device)
    return profile.device.usd_per_hour if profile else None


def accelerator_price_usd_per_s(device: str | DeviceSpec) -> float:
    """USD per second of an accelerator, rented or written off over its life; ValueError naming those with a price.

    A profiled machine has the price that its profile gives it, a scenario's own device that of its row.
    """
    name = device.name if isinstance(device, DeviceSpec) else device
    if (own := _own_price_usd_per_hour(device)) is not None:
        return own / 3600.0
    return _of_kinds(name, "device", ACCELERATOR_KINDS, "USD/GPU-hour").value / 3600.0


def network_price_usd_per_gb(part: str) -> float:
    """USD per GB on a part of the way; ValueError for another part.

    part: air (0.33, the whole mobile network), backhaul (0.05, judgement), cloud_egress (0.09).
    """
    if part not in NETWORK_ROWS:
        raise unknown("part", part, NETWORK_ROWS)
    return price(NETWORK_ROWS[part], "network").value


def network_price_usd_per_byte(part: str) -> float:
    """USD per byte on a part of the way; ValueError for another part. part: see network_price_usd_per_gb."""
    return network_price_usd_per_gb(part) * 1e-9


def electricity_price_usd_per_j(name: str = "electricity data centre") -> float:
    """USD per joule; name: a row of prices.csv in USD/kWh. ValueError for a row in another unit."""
    row = price(name, "electricity")
    if row.unit != "USD/kWh":
        raise ValueError(f"name = {name!r} is in {row.unit}: expected a row in USD/kWh")
    return row.value / JOULES_A_KWH
