"""The cost model: latency, memory, energy, price and quality of a language model on a device.

Tables are in `data/`, formulas in `formulas.py`, called by the public functions of `times.py`. What a device reaches of its data sheet
is fitted on measurements (`fit.py`) and cached (`shipped_fits.py`); the user's own machines are `profiles.py`. `kernel_tables` hands
all of it to compiled code as arrays.
"""

from edge6g_env.costs.adapters import (
    adapter_bytes,
    adapter_params,
    training_head_bytes,
    training_memory_bytes,
    training_pass_s,
    training_state_bytes,
    training_step_s,
)
from edge6g_env.costs.catalog import Catalog
from edge6g_env.costs.draft import draft_acceptance, tokens_per_round
from edge6g_env.costs.efficiency import (
    ALL_PRECISIONS,
    PRECISIONS,
    DecodeAttention,
    DeviceFit,
    PrefillAttention,
    Residual,
    Roofline,
)
from edge6g_env.costs.energy import step_energy_j
from edge6g_env.costs.exposure import exposure
from edge6g_env.costs.fit import fit_device
from edge6g_env.costs.kernel_tables import (
    TOKEN_GRID,
    CostTables,
    attention_decode_s,
    attention_prefill_s,
    kernel_tables,
    tokens_lookup,
)
from edge6g_env.costs.memory import boundary_bytes, kv_bytes, load_s, memory_bytes
from edge6g_env.costs.prices import (
    Price,
    TokenPrice,
    accelerator_price_usd_per_s,
    electricity_price_usd_per_j,
    network_price_usd_per_byte,
    network_price_usd_per_gb,
    price,
    token_price_usd,
)
from edge6g_env.costs.profiles import ProfileError
from edge6g_env.costs.profiles import is_path as is_profile_path
from edge6g_env.costs.quality import metrics, quality, relative_quality, score
from edge6g_env.costs.replay import replay
from edge6g_env.costs.shapes import attention_flops, linear_flops
from edge6g_env.costs.shipped_fits import fit_of
from edge6g_env.costs.specs import DeviceSpec, ModelSpec, device_of_row, model_of_row
from edge6g_env.costs.tables import UnknownNameError, device, devices, model, models, profile_digest
from edge6g_env.costs.times import (
    attention_time_s,
    decode_step_s,
    encoder_s,
    encoder_tokens,
    experts_time_s,
    gemm_time_s,
    layer_time_s,
    prefill_s,
    verify_step_s,
)

__all__ = [
    "ALL_PRECISIONS",
    "PRECISIONS",
    "TOKEN_GRID",
    "Catalog",
    "CostTables",
    "DecodeAttention",
    "DeviceFit",
    "DeviceSpec",
    "ModelSpec",
    "PrefillAttention",
    "Price",
    "ProfileError",
    "Residual",
    "Roofline",
    "TokenPrice",
    "UnknownNameError",
    "accelerator_price_usd_per_s",
    "adapter_bytes",
    "adapter_params",
    "attention_decode_s",
    "attention_flops",
    "attention_prefill_s",
    "attention_time_s",
    "boundary_bytes",
    "decode_step_s",
    "device",
    "device_of_row",
    "devices",
    "draft_acceptance",
    "electricity_price_usd_per_j",
    "encoder_s",
    "encoder_tokens",
    "experts_time_s",
    "exposure",
    "fit_device",
    "fit_of",
    "gemm_time_s",
    "is_profile_path",
    "kernel_tables",
    "kv_bytes",
    "layer_time_s",
    "linear_flops",
    "load_s",
    "memory_bytes",
    "metrics",
    "model",
    "model_of_row",
    "models",
    "network_price_usd_per_byte",
    "network_price_usd_per_gb",
    "prefill_s",
    "price",
    "profile_digest",
    "quality",
    "relative_quality",
    "replay",
    "score",
    "step_energy_j",
    "token_price_usd",
    "tokens_lookup",
    "tokens_per_round",
    "training_head_bytes",
    "training_memory_bytes",
    "training_pass_s",
    "training_state_bytes",
    "training_step_s",
    "verify_step_s",
]
