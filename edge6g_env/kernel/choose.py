"""The choice of a compiled policy among the candidates of one decision, over plain arrays: the kernel in flight and `choose_all`, the way
of the doors, share it, so that both decide alike to the bit.

A score is a weight times the regret (predicted utility less that of the best), plus a linear part, plus a network of two hidden layers
over context and candidate. Sizes: C actions, R rows that are scored, E entries of a candidate that go into a score (the last is the
regret), D those of the context, H hidden units. A network's row: bias (H,), context (D, H) and candidate (E, H) weights, bias (H,), weights
(H, H) by input, weights (H,), bias.
"""

from __future__ import annotations

import math

import numpy as np

from edge6g_env._jit import njit, njit_inner
from edge6g_env.kernel import codes

_NOT_ALLOWED = np.float32(-np.inf)


@njit_inner
def allow(mask, distance, route, utility):
    """Write 0 to utility (C,) for what may be chosen, -inf for the rest: of the legal actions that serve the job the nearest ones, and
    reject. distance: int64 (C,), route: (C,) of each action."""
    least = -1
    for c in range(mask.shape[0]):
        if mask[c] == 1 and route[c] > codes.REJECT and (least < 0 or distance[c] < least):
            least = distance[c]
    for c in range(mask.shape[0]):
        allowed = mask[c] == 1 and (route[c] == codes.REJECT or (route[c] > codes.REJECT and distance[c] == least))
        utility[c] = np.float32(0.0) if allowed else _NOT_ALLOWED


@njit_inner
def best_of(utility):
    """The first of the highest."""
    best = 0
    for c in range(1, utility.shape[0]):
        if utility[c] > utility[best]:
            best = c
    return best


@njit_inner
def shortlist(utility, rows):
    """Fill rows (R,) with the allowed actions of highest utility, in the order of the table; of equal ones the first. Returns how many."""
    n = 0
    for c in range(utility.shape[0]):
        if utility[c] == _NOT_ALLOWED or (n == rows.shape[0] and utility[c] <= utility[rows[n - 1]]):
            continue
        at = n if n < rows.shape[0] else n - 1
        while at > 0 and utility[rows[at - 1]] < utility[c]:
            rows[at] = rows[at - 1]
            at -= 1
        rows[at] = c
        n = min(n + 1, rows.shape[0])
    for place in range(1, n):
        c, at = rows[place], place
        while at > 0 and rows[at - 1] > c:
            rows[at] = rows[at - 1]
            at -= 1
        rows[at] = c
    return n


@njit_inner
def scale(row, entries, of, first, to):
    """Write the chosen entries of a raw row, scaled as networks take them, to `to`. of: (3, D + E) whether by the logarithm, unit, top;
    first: column of the first entry there (features.scales)."""
    for n in range(entries.shape[0]):
        ratio = row[entries[n]] / of[1, first + n]
        if of[0, first + n] > 0.0:
            ratio = math.log1p(max(ratio, np.float32(0.0)))
        to[n] = ratio / of[2, first + n]


@njit_inner
def _add(weights, first, x, to):
    """Add x times a row of weights to `to`."""
    for h in range(to.shape[0]):
        to[h] += x * weights[first + h]


@njit_inner
def _copy(weights, first, to):
    for h in range(to.shape[0]):
        to[h] = weights[first + h]


@njit_inner
def read_context(network, context, hidden):
    """What all candidates of a decision share in the first layer, in hidden[0]. hidden: float32 (3, H), none without a network."""
    width = hidden.shape[1]
    if width > 0:
        _copy(network, 0, hidden[0])
        for d in range(context.shape[0]):
            _add(network, width * (1 + d), context[d], hidden[0])


@njit_inner
def _correction(network, depth, inputs, hidden):
    """Output of the network for a candidate; depth: entries of the context."""
    width, at = hidden.shape[1], hidden.shape[1] * (1 + depth)
    _copy_row(hidden[0], hidden[1])
    for n in range(inputs.shape[0]):
        if inputs[n] != 0.0:
            _add(network, at + width * n, inputs[n], hidden[1])
    at += width * inputs.shape[0]
    _copy(network, at, hidden[2])
    at += width
    for h in range(width):
        if hidden[1, h] > 0.0:
            _add(network, at + width * h, hidden[1, h], hidden[2])
    at += width * width
    total = float(network[at + width])
    for h in range(width):
        if hidden[2, h] > 0.0:
            total += hidden[2, h] * network[at + h]
    return total


@njit_inner
def _copy_row(row, to):
    for h in range(to.shape[0]):
        to[h] = row[h]


@njit_inner
def score(policy, linear, network, depth, inputs, hidden):
    """Score of a candidate, float64. inputs: float32 (E,), linear: float32 (E,)."""
    total = policy.utility_weight * inputs[inputs.shape[0] - 1]
    for n in range(inputs.shape[0]):
        total += inputs[n] * linear[n]
    if hidden.shape[1] > 0:
        total += _correction(network, depth, inputs, hidden)
    return total


@njit_inner
def best_score(scores, n):
    """The first of the highest of n."""
    best = 0
    for place in range(1, n):
        if scores[place] > scores[best]:
            best = place
    return best


@njit_inner
def _service(row, service_entries):
    """Of the job that an observation (D',) is of."""
    s = 0
    for n in range(service_entries.shape[0]):
        if row[service_entries[n]] == 1.0:
            s = n
    return s


@njit
def allow_all(columns, distance, allowed, obs, mask, utility):
    """Write to `allowed`, int8 (B, N, C), which legal actions `choose_all` chooses among, none where no job waits; the same arguments."""
    service_entries, route, _, _ = columns
    for b in range(mask.shape[0]):
        for i in range(mask.shape[1]):
            if mask[b, i, codes.REJECT] == 1:
                allow(mask[b, i], distance[_service(obs[b, i], service_entries)], route, utility)
                for c in range(utility.shape[0]):
                    allowed[b, i, c] = utility[c] != _NOT_ALLOWED


@njit
def choose_all(policies, columns, distance, scales, linear, network, actions, obs, mask, candidates, scratch):
    """Write the action of every agent, int64 (B, N), `hold` where no job waits. policies: (1,), of the arrays of World whose names begin
    with policy_ rows of one; obs (B, N, D'), mask (B, N, C), candidates (B, N, C, F): observations as agents have them; columns,
    scratch: see compiled.py."""
    policy, (service_entries, route, context_entries, entries) = policies[0], columns
    utility, rows, context, inputs, hidden, scores = scratch
    for b in range(mask.shape[0]):
        for i in range(mask.shape[1]):
            if mask[b, i, codes.REJECT] == 0:
                actions[b, i] = codes.HOLD
                continue
            allow(mask[b, i], distance[_service(obs[b, i], service_entries)], route, utility)
            last = candidates.shape[3] - 1
            for c in range(utility.shape[0]):
                if utility[c] != _NOT_ALLOWED:
                    utility[c] = candidates[b, i, c, last]
            best = best_of(utility)
            if policy.scored == 0:
                actions[b, i] = best
                continue
            n = shortlist(utility, rows)
            scale(obs[b, i], context_entries, scales, 0, context)
            read_context(network, context, hidden)
            for place in range(n):
                row = candidates[b, i, rows[place]]
                scale(row, entries, scales, context.shape[0], inputs[place])
                inputs[place, entries.shape[0]] = row[last] - utility[best]
                scores[place] = score(policy, linear, network, context.shape[0], inputs[place], hidden)
            actions[b, i] = rows[best_score(scores, n)]
