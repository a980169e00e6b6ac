"""Tables of episodes whose policies are of whatever kind a test needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd


def of_kinds(
    episodes: pd.DataFrame,
    kinds: Mapping[str, str] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    privileged: Sequence[str] = (),
) -> pd.DataFrame:
    """Episodes with the kinds of their policies, `rule` where none is given; members of a group are learned if nothing else is said."""
    group = {member: name for name, of in (groups or {}).items() for member in of}
    known = {**dict.fromkeys(group, "learned"), **(kinds or {})}
    return episodes.assign(
        kind=[known.get(name, "rule") for name in episodes["policy"]],
        group=[group.get(name, name) for name in episodes["policy"]],
        privileged=[name in privileged for name in episodes["policy"]],
    )
