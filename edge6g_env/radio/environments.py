"""Propagation environments: ids for compiled code, names, and the large-scale parameters of each."""

from __future__ import annotations

from typing import NamedTuple

from edge6g_env._arrays import require_positive
from edge6g_env.errors import UserError
from edge6g_env.radio._data import fact, rows

UMI, UMA, RMA, INH_MIXED, INH_OPEN, INF_SL, INF_DL, INF_SH, INF_DH, INF_HH = range(10)

_IDS = {
    "UMi-StreetCanyon": UMI,
    "UMa": UMA,
    "RMa": RMA,
    "InH-Office-mixed": INH_MIXED,
    "InH-Office-open": INH_OPEN,
    "InF-SL": INF_SL,
    "InF-DL": INF_DL,
    "InF-SH": INF_SH,
    "InF-DH": INF_DH,
    "InF-HH": INF_HH,
}
_INH_ANY = "InH-Office"  # mixed and open differ only in LOS probability
NAMES = (*_IDS, _INH_ANY)

# (h_bs_m, h_ut_m): TR 38.901 Tables 7.2-1 to 7.2-3, 7.8-7
_HEIGHTS_M = {
    UMI: (10.0, 1.5),
    UMA: (25.0, 1.5),
    RMA: (35.0, 1.5),
    INH_MIXED: (3.0, 1.0),
    INH_OPEN: (3.0, 1.0),
    INF_SL: (1.5, 1.5),
    INF_DL: (1.5, 1.5),
    INF_SH: (8.0, 1.5),
    INF_DH: (8.0, 1.5),
    INF_HH: (8.0, 8.0),  # both ends above the clutter; the heights are judgement, the probability does not use them
}
_CLOSE_IN_ABOVE_GHZ = 100.0
_CLOSE_IN_NAMES = {UMI: "umi", UMA: "uma", INH_MIXED: "inh", INH_OPEN: "inh"}


class Environment(NamedTuple):
    """Large-scale parameters of one environment (TR 38.901 Tables 7.4.1-1, 7.5-6, 7.6.3.1-2)."""

    id: int
    name: str
    sigma_los_db: float
    """Shadowing std in sight; in RMa up to the break point."""
    sigma_los_far_db: float
    """Shadowing std in sight beyond the break point; differs from `sigma_los_db` in RMa only."""
    sigma_nlos_db: float
    shadow_corr_los_m: float
    shadow_corr_nlos_m: float
    los_corr_m: float
    """Correlation distance of the LOS state."""
    k_mean_db: float
    k_std_db: float
    k_corr_m: float
    h_bs_m: float
    """Default antenna heights of the environment."""
    h_ut_m: float


def environment_id(name: str) -> int:
    """Integer id of an environment, as compiled code takes it; "InH-Office" is taken as the mixed office.

    Raises ValueError with the list of names.
    """
    if not isinstance(name, str) or name not in NAMES:
        raise UserError(f"unknown environment {name!r}; one of {', '.join(NAMES)}")
    return INH_MIXED if name == _INH_ANY else _IDS[name]


def default_heights_m(environment: int) -> tuple[float, float]:
    """(base station, UE) antenna heights in m."""
    return _HEIGHTS_M[environment]


def environment(name: str, carrier_ghz: float = 3.5) -> Environment:
    """Shadowing, correlation distances, Rician K and heights of an environment.

    Above 100 GHz the shadowing std is that of the close-in model (NYUSIM, 140 GHz) where there is one: UMi, UMa, InH.
    "InF-HH" is always in sight: what it has out of sight repeats what it has in sight, as no link uses it.
    Raises ValueError for an unknown name or a carrier that is not above 0.
    """
    key, f_ghz = environment_id(name), require_positive("carrier_ghz", carrier_ghz, "GHz")
    full_name = next(n for n, i in _IDS.items() if i == key)
    table_name = {INH_MIXED: _INH_ANY, INH_OPEN: _INH_ANY, INF_HH: "InF-SL"}.get(
        key, full_name
    )  # halls: one row in sight
    mine = [row for row in rows("shadowing.csv") if row["scenario"] == table_name]
    if key == INF_HH:
        mine = mine[:1] * 2
    near, far, nlos = mine[0], mine[-2], mine[-1]
    sigmas_db = tuple(row.number("shadow_std_db") for row in (near, far, nlos))
    if f_ghz > _CLOSE_IN_ABOVE_GHZ and key in _CLOSE_IN_NAMES:
        short = _CLOSE_IN_NAMES[key]
        los_db, nlos_db = fact(f"ci_140ghz_sigma_los_{short}"), fact(f"ci_140ghz_sigma_nlos_{short}")
        sigmas_db = (los_db, los_db, nlos_db)
    h_bs_m, h_ut_m = _HEIGHTS_M[key]
    return Environment(
        id=key,
        name=full_name,
        sigma_los_db=sigmas_db[0],
        sigma_los_far_db=sigmas_db[1],
        sigma_nlos_db=sigmas_db[2],
        shadow_corr_los_m=float(near["shadow_corr_dist_m"]),
        shadow_corr_nlos_m=float(nlos["shadow_corr_dist_m"]),
        los_corr_m=float(near["los_state_corr_dist_m"]),
        k_mean_db=float(near["k_mean_db"]),
        k_std_db=float(near["k_std_db"]),
        k_corr_m=float(near["k_corr_dist_m"]),
        h_bs_m=h_bs_m,
        h_ut_m=h_ut_m,
    )
