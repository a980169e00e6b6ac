"""Fields of what all worlds share and nothing changes: (name, type, unit, meaning) of each."""

from __future__ import annotations

INTERFACE_FIELDS = (
    ("n_precisions", "i8", "1", "precisions of the action table"),
    ("n_job_features", "i8", "1", "entries of an observation about the job"),
    ("n_neighbour_features", "i8", "1", "entries of an observation about each neighbour"),
    ("debug", "i8", "0/1", "check conservation and memory in every slot"),
)

TIME_FIELDS = (
    ("slot_s", "f8", "s", "length of a slot"),
    ("n_substeps", "i8", "1", "fluid substeps in a slot"),
    ("episode_slots", "i8", "slot", "slots of an episode"),
    ("episode_s", "f8", "s", "length of an episode"),
    ("warmup_s", "f8", "s", "jobs that arrive earlier are served but not measured"),
    ("drain_s", "f8", "s", "jobs that arrive in the last drain_s are served but not measured"),
    ("report_period_s", "f8", "s", "period of the reports between neighbours"),
)

RADIO_FIELDS = (
    ("environment", "i8", "id", "propagation environment of edge6g_env.radio"),
    ("margin_db", "f8", "dB", "implementation margin taken off the SINR"),
    ("h_bs_m", "f8", "m", "height of the node's antenna"),
    ("h_ue_m", "f8", "m", "height of the UE"),
    ("link_step_m", "f8", "m", "links are renewed each time that their UE has walked this far"),
    ("shadow_keep_los", "f8", "1", "correlation of the shadowing over such a step, line of sight"),
    ("shadow_keep_nlos", "f8", "1", "the same without line of sight"),
    ("los_keep", "f8", "1", "correlation of the LOS state over such a step"),
    ("k_mean_db", "f8", "dB", "Rician K factor, mean"),
    ("k_std_db", "f8", "dB", "Rician K factor, standard deviation"),
    ("k_keep", "f8", "1", "correlation of the K factor over a step"),
    ("fading_period_s", "f8", "s", "time grid of fast fading and interference"),
    ("beam_tracking_s", "f8", "s", "period in which beams are pointed anew"),
    ("blockers_per_m2", "f8", "1/m2", "density of people that walk through links, 0: none"),
    ("background_load", "f8", "1", "share of every cell that other traffic uses"),
    ("csi_error_db", "f8", "dB", "standard deviation of the agents' channel estimate"),
    ("csi_period_s", "f8", "s", "period of that estimate, its greatest age"),
    ("measurement_period_s", "f8", "s", "period of the power measurements of a UE"),
    ("filter_share", "f8", "1", "weight of a new measurement in the filtered power"),
    ("time_to_trigger_s", "f8", "s", "a cell must be stronger for this long"),
    ("handover_hysteresis_db", "f8", "dB", "and by this much"),
    ("handover_interruption_s", "f8", "s", "no data during a handover"),
)

MOBILITY_FIELDS = (
    ("width_m", "f8", "m", "area, west to east"),
    ("height_m", "f8", "m", "area, south to north"),
    ("node_columns", "i8", "1", "columns of the grid of nodes"),
    ("node_spacing_m", "f8", "m", "its spacing"),
    ("indoor_share", "f8", "1", "share of the UEs that are inside buildings"),
    ("tx_power_w", "f8", "W", "what a UE draws while it sends"),
    ("model", "i8", "id", "see MOBILITY_NAMES"),
    ("speed_min_m_s", "f8", "m/s", "slowest walk; Gauss-Markov: slowest mean"),
    ("speed_max_m_s", "f8", "m/s", "fastest walk; Gauss-Markov: fastest mean"),
    ("pause_s", "f8", "s", "mean pause at a waypoint"),
    ("hotspots", "i8", "1", "places where people gather, redrawn each episode"),
    ("hotspot_share", "f8", "1", "share of the waypoints that lie in a hotspot"),
    ("hotspot_radius_m", "f8", "m", "radius of a hotspot"),
    ("velocity_memory", "f8", "1", "Gauss-Markov: correlation of a velocity with the one a period before"),
    ("velocity_period_s", "f8", "s", "Gauss-Markov: how long a velocity is kept"),
    ("velocity_std_m_s", "f8", "m/s", "Gauss-Markov: standard deviation of each component of the velocity"),
    ("street_spacing_m", "f8", "m", "street grid: from street to street"),
    ("ue_device", "i8", "D", "device of the UEs"),
)

WIRED_FIELDS = (
    ("xn_rate_bit_s", "f8", "bit/s", "rate of a link between neighbours"),
    ("xn_delay_s", "f8", "s", "mean one-way delay between neighbours"),
    ("xn_delay_jitter", "f8", "1", "sigma of the log of a message's delay there"),
    ("backhaul_rate_bit_s", "f8", "bit/s", "rate of a node's backhaul"),
    ("backhaul_delay_s", "f8", "s", "mean one-way delay to the cloud"),
    ("backhaul_delay_jitter", "f8", "1", "sigma of the log of a message's delay there"),
)

CLOUD_FIELDS = (
    ("cloud_device", "i8", "D", "accelerator of the cloud"),
    ("concurrency", "i8", "job", "requests the cloud serves at a time"),
    ("batch", "f8", "job", "batch in which the cloud decodes"),
)

SERVING_FIELDS = (
    ("token_budget", "f8", "token", "most tokens of an iteration with a prefill chunk"),
    ("max_batch", "i8", "job", "most sequences admitted at a node"),
    ("load_overhead_s", "f8", "s", "fixed part of loading weights"),
    ("retries", "i8", "1", "how often a job is put back after a fault before it fails"),
)

ARRIVALS_FIELDS = (
    ("trace_replay", "i8", "0/1", "arrivals: 1 replays the traces, 0 draws a Poisson process"),
    ("rate_jobs_s", "f8", "1/s", "arrivals of the whole world"),
)

REWARD_FIELDS = (
    ("price_per_usd", "f8", "1/USD", "reward lost for a dollar"),
    ("energy_per_j", "f8", "1/J", "reward lost for a joule"),
    ("rejected_cost", "f8", "1", "reward lost for a rejected job"),
    ("expired_cost", "f8", "1", "reward lost for an expired job"),
    ("failed_cost", "f8", "1", "reward lost for a failed job"),
    ("reward_mix", "f8", "1", "0: own reward, 1: mean over the agents"),
)

PRICES_FIELDS = (
    ("usd_per_air_byte", "f8", "USD/B", "price of the air"),
    ("usd_per_backhaul_byte", "f8", "USD/B", "price of the backhaul"),
    ("usd_per_egress_byte", "f8", "USD/B", "price of what leaves the cloud"),
)

BAND_FIELDS = (
    ("carrier_ghz", "f8", "GHz", "carrier frequency"),
    ("bandwidth_hz", "f8", "Hz", "bandwidth of a cell"),
    ("ptx_bs_dbm", "f8", "dBm", "downlink power"),
    ("ptx_ue_dbm", "f8", "dBm", "largest uplink power, Pcmax"),
    ("p0_dbm", "f8", "dBm", "uplink power control, P0 a 180 kHz"),
    ("path_loss_share", "f8", "1", "uplink power control, alpha"),
    ("gain_db", "f8", "dB", "antenna gains of both ends less the fixed pointing loss"),
    ("beamwidth_deg", "f8", "deg", "half-power beamwidth of the node's beam"),
    ("ue_beamwidth_deg", "f8", "deg", "half-power beamwidth of the UE's beam"),
    ("alignment", "f8", "1", "probability that a beam for somebody else points here"),
    ("stray_db", "f8", "dB", "gain of a beam that points elsewhere, relative to the full gain"),
    ("offset_db", "f8", "dB", "added to this band's power where cells are compared"),
    ("noise_bs_mw_hz", "f8", "mW/Hz", "noise density at the node's receiver"),
    ("noise_ue_mw_hz", "f8", "mW/Hz", "noise density at the UE's receiver"),
    ("evm_floor", "f8", "1", "error vector magnitude of the transmitter, power share"),
    ("uplink_efficiency", "f8", "1", "uplink share of the TDD period, less overhead"),
    ("downlink_efficiency", "f8", "1", "downlink share, less overhead"),
    ("max_layers", "i8", "1", "most spatial layers"),
    ("sigma_los_db", "f8", "dB", "shadowing, line of sight"),
    ("sigma_los_far_db", "f8", "dB", "the same beyond the break point"),
    ("breakpoint_m", "f8", "m", "break point distance"),
    ("sigma_nlos_db", "f8", "dB", "shadowing, no line of sight"),
    ("air_db_per_m", "f8", "dB/m", "gas and rain"),
    ("wall_db", "f8", "dB", "loss of an outer wall"),
    ("wall_std_db", "f8", "dB", "its standard deviation, 0: indoor distance is drawn a link"),
    ("blocked_los_db", "f8", "dB", "loss of a blocked link in sight"),
    ("blocked_nlos_db", "f8", "dB", "loss of a blocked link without sight"),
    ("n_taps", "i8", "1", "fading taps averaged over the band"),
    ("radio_slot_s", "f8", "s", "radio slot Ts"),
    ("tdd_period_s", "f8", "s", "period of the TDD pattern"),
    ("downlink_slots", "i8", "slot", "run of downlink slots in it"),
    ("uplink_slots", "i8", "slot", "run of uplink slots in it"),
    ("sr_period_s", "f8", "s", "period of scheduling request occasions"),
    ("grant_s", "f8", "s", "from grant to transmission, k2 Ts"),
    ("processing_s", "f8", "s", "preparation and decoding of a message"),
    ("harq_rtt_s", "f8", "s", "what a failed block costs"),
    ("uplink_access_s", "f8", "s", "mean access latency of a first uplink message"),
    ("uplink_stream_s", "f8", "s", "mean access latency of a following uplink message of a stream"),
    ("downlink_access_s", "f8", "s", "mean access latency of a downlink message"),
)

SERVICE_FIELDS = (
    ("model", "i8", "1", "model of the service"),
    ("privacy", "i8", "id", "0 open, 1 site, 2 device"),
    ("share", "f8", "1", "share of the arrivals"),
    ("ttft_slo_s", "f8", "s", "objective for the time to first token"),
    ("tpot_slo_s", "f8", "s", "objective for the time per output token"),
    ("expire_s", "f8", "s", "a job this old expires"),
    ("exposure_cost", "f8", "1", "reward lost when the raw prompt leaves the device"),
    ("payload_bytes", "f8", "B", "picture or sound that goes with a raw prompt"),
    ("adapter", "i8", "A", "LoRA adapter, -1: none"),
    ("mean_output_tokens", "f8", "token", "mean output, known to agents"),
    ("trace_first", "i8", "row", "first row of its trace"),
    ("trace_rows", "i8", "row", "rows of its trace"),
    ("trace_span_s", "f8", "s", "a round of its trace: from its first row to the last, and the mean gap"),
    ("usd_per_input_token", "f8", "USD", "cloud price of a prompt token"),
    ("usd_per_output_token", "f8", "USD", "cloud price of an output token"),
)

LORA_FIELDS = (("bytes", "f8", "B", "size of the adapter"),)

ACTION_FIELDS = (
    ("route", "i8", "id", "hold, reject, local, neighbours, cloud"),
    ("precision", "i8", "id", "index into the scenario's precisions"),
)

DEVICE_FIELDS = (
    ("iteration_overhead_s", "f8", "s", "CPU time of an iteration"),
    ("sequence_overhead_s", "f8", "s", "CPU time of an iteration, a sequence"),
    ("idle_w", "f8", "W", "power at rest"),
    ("tdp_w", "f8", "W", "power at full load"),
    ("prefill_w", "f8", "W", "power while a prompt is computed"),
    ("decode_w", "f8", "W", "power while tokens are generated"),
    ("usable_bytes", "f8", "B", "memory for weights and KV"),
    ("load_bytes_s", "f8", "B/s", "rate at which weights are read"),
    ("usd_s", "f8", "USD/s", "price of a second, 0 for what is not paid by time"),
)

MODEL_FIELDS = (
    ("precision", "i8", "id", "index into the scenario's precisions"),
    ("layers", "i8", "layer", "layers of the model"),
    ("layer_bytes", "f8", "B", "weights of a layer at this precision"),
    ("weight_bits", "f8", "bit", "a weight as it is stored at this precision, scales included"),
    ("embedding_bytes", "f8", "B", "what a part that begins at layer 0 holds besides"),
    ("head_bytes", "f8", "B", "what a part that ends at the last layer holds besides"),
    ("both_bytes", "f8", "B", "what the whole model holds besides (a tied head is the embedding)"),
    ("kv_bytes", "f8", "B", "KV cache a token and layer"),
    ("boundary_bytes", "f8", "B", "activations of a token at a cut"),
    ("quality", "f8", "1", "quality of an answer"),
    ("preload", "i8", "0/1", "resident at every node that has room when an episode starts"),
)

OUTAGE_FIELDS = (
    ("at_s", "f8", "s", "when it begins or ends, ascending"),
    ("part", "i8", "P", "part that is meant"),
    ("change", "i8", "1", "1 begins, -1 ends"),
)
