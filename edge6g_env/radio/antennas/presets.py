"""Radio presets of each band: power, gain, noise, overhead and access latency of one cell and its UEs.

Values: data/facts.csv (orders of magnitude of commercial and study equipment). Frame timing: judgement inside published
ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from edge6g_env.errors import UserError
from edge6g_env.radio._data import fact
from edge6g_env.radio.fading import coherence_bandwidth_hz

_NAMES = ("fr1_3g5_macro", "fr1_3g5_micro", "fr3_7g", "fr3_15g", "fr2_28g", "subthz_140g")


@dataclass(frozen=True)
class RadioPreset:
    """One band's cell: link budget, overheads, and the means of its access latencies (without queueing)."""

    name: str
    band: str
    """FR1, FR3, FR2 or sub-THz."""
    carrier_ghz: float
    bandwidth_hz: float
    ptx_bs_dbm: float
    gain_bs_dbi: float
    ptx_ue_dbm: float
    gain_ue_dbi: float
    noise_figure_bs_db: float
    noise_figure_ue_db: float
    evm_db: float
    """Error vector magnitude: the SINR never exceeds it."""
    misalignment_db: float
    """Fixed loss of beams that do not point exactly."""
    max_layers: int
    overhead_downlink: float
    overhead_uplink: float
    p0_dbm: float
    """Uplink power control: target per 180 kHz, and the share of the coupling loss that is made up for."""
    path_loss_share: float
    slot_s: float
    """Radio slot Ts, 1 ms / 2^mu."""
    tdd_period_s: float
    downlink_slots: int
    """Runs of radio slots in a TDD period; the special slot counts as downlink (DDDSU: 4, 1)."""
    uplink_slots: int
    sr_period_s: float
    """Period of scheduling request occasions."""
    k2_slots: int
    """Radio slots from grant to transmission."""
    processing_s: float
    """Sender's preparation + receiver's decoding."""
    harq_rtt_s: float
    """What a failed block costs: 8 radio slots."""

    @property
    def uplink_share(self) -> float:
        """Share of time that is uplink."""
        return self.uplink_slots * self.slot_s / self.tdd_period_s

    @property
    def downlink_share(self) -> float:
        """Share of time that carries downlink data; less than the downlink run, as the special slot is not full."""
        return fact("tdd_dl_fraction_typical")

    @property
    def downlink_latency_s(self) -> float:
        """Mean access latency in s of a downlink message."""
        return self._mean_wait_s(self.downlink_slots) + self.slot_s + self.processing_s

    @property
    def uplink_configured_latency_s(self) -> float:
        """Mean access latency in s of a message of a running uplink stream (configured grant)."""
        return self._mean_wait_s(self.uplink_slots) + self.slot_s + self.processing_s

    @property
    def uplink_grant_latency_s(self) -> float:
        """Mean access latency in s of the first uplink message after silence: request, grant, transmission."""
        request_s = self.sr_period_s / 2.0 + self._mean_wait_s(self.downlink_slots) + self.k2_slots * self.slot_s
        return request_s + self.uplink_configured_latency_s

    def _mean_wait_s(self, run_slots: int) -> float:
        """Mean wait for the next start of a slot of a run: gaps of one slot, and one around the other direction."""
        gaps_s = [self.slot_s] * (run_slots - 1) + [self.tdd_period_s - (run_slots - 1) * self.slot_s]
        return sum(gap * gap for gap in gaps_s) / (2.0 * self.tdd_period_s)

    def coherence_bandwidth_hz(self, environment_name: str, los: bool) -> float:
        """Coherence bandwidth in Hz at this carrier."""
        return coherence_bandwidth_hz(environment_name, los, self.carrier_ghz)


@dataclass(frozen=True)
class _Band:
    name: str
    mu: int  # numerology: radio slots of 1 ms / 2^mu
    overhead: str  # rows of facts.csv for the overhead
    noise: str  # and the noise figure
    evm: str
    misalignment_db: float
    max_layers: int
    sr_period_s: float
    processing_s: float


_BANDS = {
    "fr1": _Band("FR1", 1, "fr1", "fr1", "fr1", 0.0, 4, 10e-3, 0.75e-3),
    "fr3": _Band("FR3", 1, "fr1", "fr3", "fr1", 1.0, 4, 10e-3, 0.75e-3),  # overhead and EVM as FR1: assumption
    "fr2": _Band("FR2", 3, "fr2", "fr2", "fr2", 1.0, 2, 2.5e-3, 0.3e-3),
    "subthz": _Band("sub-THz", 3, "fr2", "subthz", "subthz", 3.0, 2, 2.5e-3, 0.3e-3),
}
_DOWNLINK_SLOTS, _UPLINK_SLOTS = 4, 1  # DDDSU
_K2_SLOTS = 4


def presets() -> list[str]:
    """Names that `preset` takes, by rising carrier."""
    return list(_NAMES)


@cache
def preset(name: str) -> RadioPreset:
    """The preset of that name; ValueError lists the names."""
    if name not in _NAMES:
        raise UserError(f"unknown radio preset {name!r}; one of {', '.join(_NAMES)}")
    band = _BANDS[name.split("_")[0]]
    slot_s = 1e-3 / 2**band.mu
    return RadioPreset(
        name=name,
        band=band.name,
        carrier_ghz=fact(f"preset_{name}_carrier"),
        bandwidth_hz=fact(f"preset_{name}_bandwidth") * 1e6,
        ptx_bs_dbm=fact(f"preset_{name}_ptx_bs"),
        gain_bs_dbi=fact(f"preset_{name}_gain_bs"),
        ptx_ue_dbm=fact(f"preset_{name}_ptx_ue"),
        gain_ue_dbi=fact(f"preset_{name}_gain_ue"),
        noise_figure_bs_db=fact(f"nf_bs_{band.noise}"),
        noise_figure_ue_db=fact(f"nf_ue_{band.noise}"),
        evm_db=fact(f"evm_sinr_cap_{band.evm}"),
        misalignment_db=band.misalignment_db,
        max_layers=band.max_layers,
        overhead_downlink=fact(f"overhead_dl_{band.overhead}"),
        overhead_uplink=fact(f"overhead_ul_{band.overhead}"),
        p0_dbm=fact("ul_p0_typical"),
        path_loss_share=fact("ul_alpha_typical"),
        slot_s=slot_s,
        tdd_period_s=(_DOWNLINK_SLOTS + _UPLINK_SLOTS) * slot_s,
        downlink_slots=_DOWNLINK_SLOTS,
        uplink_slots=_UPLINK_SLOTS,
        sr_period_s=band.sr_period_s,
        k2_slots=_K2_SLOTS,
        processing_s=band.processing_s,
        harq_rtt_s=fact("harq_rtt_slots") * slot_s,
    )
