"""Short episodes of any scenario."""

from __future__ import annotations

from edge6g_env import load_scenario


def shortened(scenario: str, episode_s: float, warmup_s: float = 0.0, drain_s: float = 0.0) -> dict[str, float]:
    """Overrides; where models are tuned, half of the episode is its drain and the deadline of such jobs, which must end within it."""
    tuned = load_scenario(scenario).finetune
    if tuned:
        drain_s = max(drain_s, 0.5 * episode_s)
    times = {"time.episode_s": episode_s, "time.warmup_s": warmup_s, "time.drain_s": drain_s}
    return times | {f"service.{one.name}.expire_s": drain_s for one in tuned}
