"""What agents see: every entry is written, and is what its name says; candidates add up."""

import numpy as np
import pytest

import edge6g_env
from edge6g_env import batch_env, costs
from edge6g_env.costs import shapes
from edge6g_env.kernel import codes as k
from tests.looking import Look

BUSY = {"arrivals.kind": "poisson", "arrivals.rate_jobs_s": 30.0}


@pytest.fixture(scope="module", params=edge6g_env.scenarios())
def busy(request):
    """A batch in which much is going on."""
    batch, rng = batch_env(request.param, 2, observe="candidates", **BUSY), np.random.default_rng(1)
    obs = batch.reset(1)
    for _ in range(100):
        mask = obs["action_mask"]
        obs, *_ = batch.step(np.where(mask == 1, rng.random(mask.shape), -1.0).argmax(axis=-1))
    return batch


def step_over(batch, state, fill):
    """Observations after one slot of holding, whose buffers held `fill` before it."""
    batch.load_state(state)
    batch.world.observation[...] = fill
    batch.world.candidates[...] = fill
    batch.world.action_mask[...] = fill
    obs, *_ = batch.step(np.zeros((batch.num_worlds, batch.num_agents), np.int64))
    return {name: part.copy() for name, part in obs.items()}, batch.world.observation[1].copy()


def test_every_entry_is_written_and_nothing_beyond(busy):
    """Whatever stood in the buffers, the same observations; the buffer behind the last one is left alone."""
    state = busy.save_state()
    state["node"]["shown"] = 1  # what is hidden already is not hidden again
    state["node"]["mask_job"] = -1  # nor is a mask made again for the same job
    zeros, behind_0 = step_over(busy, state, 0)
    ones, behind_1 = step_over(busy, state, 1)
    for name, part in zeros.items():
        assert np.array_equal(part, ones[name]), name
    assert (behind_0 == 0.0).all()
    assert (behind_1 == 1.0).all()
    assert zeros["observation"].shape[-1] == len(busy.observation_names)
    assert zeros["candidates"].shape[-1] == len(busy.candidate_names)
    assert zeros["action_mask"].any()
    busy.load_state(state)


def slow_backlog_s(batch, b, i):
    """Accelerator time of the prompts in node i's inbox, each as if all of it were like its next chunk, by the public cost functions."""
    w, scenario, total_s = batch.world, batch.scenario, 0.0
    variants = [(weights.split("@")[0], p) for weights in scenario.weights for p in scenario.actions.precision]
    device = scenario.devices[int(w.site[i].accelerator)]
    for row in w.queue[b, i, k.INBOX, : w.server[b, i].n_inbox]:
        job = w.job[b, row]
        part, (model, precision) = w.part[b, row, job.part], variants[int(job.variant)]
        left = job.setup_tokens - job.prefilled
        chunk = min(left, scenario.serving.token_budget)
        layer_s = costs.layer_time_s(model, device, chunk, precision)
        layer_s += costs.attention_time_s(model, device, chunk, job.prefilled, 1, precision)
        total_s += float(layer_s) * (part.high - part.low) * left / chunk
        service = scenario.service[int(job.service)]
        if service.inputs and part.low == 0 and job.prefilled <= service.encoded_tokens(batch.scenario.catalog)[1]:
            total_s += float(costs.encoder_s(model, device, precision, service.inputs))
    return total_s


def slow_observation(batch, b, i):
    """{name: value} of node i of world b, from the state by the meaning of each name; the report's parts as the link has them."""
    job, variants = slow_job(batch, b, i), []
    if job:
        services, weights = batch.scenario.service, batch.scenario.weights
        service = services[int(batch.world.job[b, batch.world.node[b, i].head].service)]
        model, precisions = weights.index(service.weights_of(service.default)), batch.scenario.actions.precision
        variants = [(model * len(precisions) + p, name) for p, name in enumerate(precisions)]
    values = job | slow_node(batch, b, i, variants)
    for n in range(batch.scenario.neighbours):
        values |= slow_neighbour(batch, b, i, n, variants)
    return values


def slow_job(batch, b, i):
    """The entries of the first job in the queue of node i of world b; none if nothing waits."""
    w, node, now_s = batch.world, batch.world.node[b, i], batch.world.episode[b].now_s
    if node.head < 0:
        return {}
    job = w.job[b, node.head]
    service, ue = batch.scenario.service[int(job.service)], w.ue[b, int(job.ue)]
    return {
        "job/waiting": 1,
        "job/age_s": now_s - job.arrival_s,
        "job/prompt_tokens": job.prompt_tokens,
        "job/inputs": getattr(service, "inputs", 0),
        "job/finetune": service.kind == "finetune",
        "job/steps": getattr(service, "steps", 0),
        "job/step_tokens": getattr(service, "step_tokens", 0),
        "job/done_steps": job.done_steps,
        "job/mean_output_tokens": w.service[int(job.service)].mean_output_tokens,
        **{f"job/{name}": goal_s for name, goal_s in service.objectives.items()},
        "job/value": service.value,
        f"job/privacy_{service.privacy}": 1,
        f"job/service_{service.name}": 1,
        "job/uplink_sinr_db": ue.seen_uplink_db,
        "job/downlink_sinr_db": ue.seen_downlink_db,
        "job/channel_age_s": now_s - ue.seen_s,
        "job/cell_senders": node.n_senders if ue.node == i else 0,
        "job/device_jobs": ue.device_jobs,
        "job/handed_over": ue.node != i,
        "job/done_tokens": job.done_tokens,
        "job/retries": job.retries,
    }


def slow_node(batch, b, i, variants):
    """The entries of node i of world b itself; variants: (number, precision) of those of the first job's model."""
    w, node, server = batch.world, batch.world.node[b, i], batch.world.server[b, i]
    return {
        "node/queue_jobs": node.n_queue,
        "node/training_jobs": server.n_trainees,
        "node/inbox_jobs": server.n_inbox,
        "node/sequences": server.n_admitted,
        "node/backlog_s": slow_backlog_s(batch, b, i),
        "node/cycle_s": server.cycle_s,
        "node/prefill_share": server.prefill_share,
        "node/ran_load": 1.0 if node.n_senders or node.n_receivers else batch.scenario.radio.background_load,
        "node/kv_share": server.kv_bytes / w.site[i].usable_bytes,
        "node/weight_share": server.weight_bytes / w.site[i].usable_bytes,
        "node/loading": server.load_variant >= 0,
        "node/cell_senders": node.n_senders,
        "node/backhaul_transfers": node.n_backhaul,
        "node/cloud_wait_s": node.cloud_seen_wait_s,
        "node/cloud_up": node.cloud_seen_up,
        "node/backhaul_up": node.backhaul_up,
        "node/up": node.up,
        **{f"node/resident_{name}": held_share(w, w.variant[b, i, v], v) for v, name in variants},
    }


def slow_neighbour(batch, b, i, n, variants):
    """The entries of neighbour n of node i of world b, as the link to it has them."""
    w, link, peer = batch.world, batch.world.link[b, i, n], f"neighbour_{n + 1}"
    return {
        f"{peer}/exists": 1,
        f"{peer}/report_age_s": w.episode[b].now_s - link.report_s,
        f"{peer}/queue_jobs": link.seen_queue,
        f"{peer}/inbox_jobs": link.seen_inbox,
        f"{peer}/training_jobs": link.seen_trainees,
        f"{peer}/sequences": link.seen_admitted,
        f"{peer}/backlog_s": link.seen_backlog_s,
        f"{peer}/cycle_s": link.seen_cycle_s,
        f"{peer}/prefill_share": link.seen_prefill_share,
        f"{peer}/ran_load": link.seen_ran_load,
        f"{peer}/free_share": link.seen_free_bytes / w.site[w.neighbour[i, n]].usable_bytes,
        f"{peer}/sent_since": link.sent_since,
        f"{peer}/link_up": link.up,
        f"{peer}/up": link.seen_up,
        **{f"{peer}/resident_{name}": held_share(w, w.seen[b, i, n, v], v) for v, name in variants},
    }


def held_share(w, held, v):
    """Share of the layers of variant v that are resident."""
    return (held.high - held.low) / w.model[v].layers


def test_each_entry_is_what_its_name_says(busy):
    hold = np.zeros((busy.num_worlds, busy.num_agents), np.int64)
    seen, written = set(), set()
    for _ in range(5):
        obs, *_ = busy.step(hold)
        for b in range(busy.num_worlds):
            for i in range(busy.num_agents):
                values = slow_observation(busy, b, i)
                for f, (name, _, low, high) in enumerate(busy.observation_names):
                    expected = min(max(float(values.get(name, 0.0)), low), high)
                    rel = 0.02 if name == "node/backlog_s" else 1e-5  # from tables over tokens
                    assert obs["observation"][b, i, f] == pytest.approx(expected, rel=rel, abs=1e-5), (name, b, i)
                    written |= {name} if expected else set()
                seen |= set(values)
    assert seen <= {name for name, *_ in busy.observation_names}
    assert len(written) > 0.5 * len(busy.observation_names)


def test_reports_are_as_old_as_their_period_says():
    """Between two reports what a node knows of its neighbours stands still; with a report it is their state at that instant."""
    batch, rng = batch_env("tiny", 1, **BUSY, **{"time.report_period_s": 0.1}), np.random.default_rng(2)
    obs = batch.reset(2)
    link, node, server, changed = batch.world.link, batch.world.node, batch.world.server, 0
    names = ("queue", "inbox", "admitted", "cycle_s", "ran_load")
    known = link[[f"seen_{name}" for name in names]].copy()
    for slot in range(1, 200):
        obs, *_ = batch.step(
            np.where(obs["action_mask"] == 1, rng.random(obs["action_mask"].shape), -1.0).argmax(axis=-1)
        )
        now = link[[f"seen_{name}" for name in names]].copy()
        if slot % 5:
            assert np.array_equal(now, known), slot
        else:
            peers = batch.world.neighbour
            own = (node["n_queue"], server["n_inbox"], server["n_admitted"], server["cycle_s"], node["ran_load"])
            for mine, theirs in zip(names, own, strict=True):
                assert np.array_equal(link[f"seen_{mine}"][0], theirs[0][peers]), slot
            assert (link["sent_since"] == 0).all()
            changed += not np.array_equal(now, known)
        known = now
    assert changed > 10


def test_utility_is_quality_times_timeliness_less_the_costs_of_its_row(busy):
    """Recomputed from the row's other columns: of the outputs of its trace those that would end after expire_s are worth what an expired
    job is. What runs on the device is a mean over company there, see test_expectations."""
    layout, reward = busy.layout, busy.scenario.reward
    at = {feature.name: place for place, feature in enumerate(layout.candidates)}
    hold, rows, partly = np.zeros((busy.num_worlds, busy.num_agents), np.int64), 0, 0
    for _ in range(10):
        obs, *_ = busy.step(hold)
        for b, i in zip(*np.nonzero(obs["action_mask"][..., k.REJECT]), strict=True):
            head = Look(busy, b).queue(i)[0]
            if head.done_tokens > 0.0:
                continue  # put back by a fault: its objectives speak of tokens that it has already, see test_faults
            service_at = int(head.service)
            service = busy.scenario.service[service_at]
            if service.kind == "finetune":
                continue  # worth by progress, see test_finetune
            outputs = np.sort(service.lengths()[:, 2])
            candidates, mask = obs["candidates"][b, i].astype(float), obs["action_mask"][b, i] == 1
            assert candidates[0, at["utility"]] == pytest.approx(-reward.expired_cost - reward.rejected_cost)
            assert candidates[1, at["utility"]] == pytest.approx(-reward.rejected_cost)
            assert (candidates[~mask] == 0.0).all()
            row = candidates[2:][mask[2:]]
            highest = [layout.candidates[at[name]].high for name in ("ttft_s", "tpot_s")]
            clipped = (row[:, at["ttft_s"]] >= highest[0]) | (row[:, at["tpot_s"]] >= highest[1])
            row = row[~clipped & (row[:, at["device_share"]] == 0.0)]
            if service.deadline_s is None:
                late = np.minimum(1.0, service.ttft_slo_s / row[:, at["ttft_s"]])
                late *= np.minimum(1.0, service.tpot_slo_s / row[:, at["tpot_s"]])
            else:
                latency_s = row[:, at["ttft_s"]] + (outputs.mean() - 1.0) * row[:, at["tpot_s"]]
                late = np.minimum(1.0, service.deadline_s / latency_s)
            assert row[:, at["timeliness"]] == pytest.approx(late, rel=1e-4)
            cost = (
                reward.price_per_usd * row[:, at["price_musd"]] / 1000.0 + reward.energy_per_j * row[:, at["energy_j"]]
            )
            paid_for = "exposure_site" if service.privacy == "site" else "exposure_device"
            cost += service.exposure_cost * row[:, at[paid_for]]
            most = (service.expire_s - row[:, at["ttft_s"]]) / row[:, at["tpot_s"]]
            expires = 1.0 - np.searchsorted(outputs, most, side="right") / len(outputs)
            worth = (1.0 - expires) * service.value * row[:, at["quality"]] * late - expires * reward.expired_cost
            assert row[:, at["utility"]] == pytest.approx(
                worth - cost,
                rel=1e-4,
                abs=1e-3,  # float32 moves `most` over a row
            )
            rows, partly = rows + len(row), partly + ((expires > 0.0) & (expires < 1.0)).sum()
    assert rows > 500
    assert partly > 100 or busy.scenario.name in (
        "robotics",
        "telemedicine",
        "finetune",
    )  # whose answers are all as long, or short


def test_a_candidate_describes_its_action(busy):
    """Route, shares of the layers and precision of a row are those of the action table."""
    layout, grid = busy.layout, busy.scenario.actions
    at = {feature.name: place for place, feature in enumerate(layout.candidates)}
    obs, *_ = busy.step(np.zeros((busy.num_worlds, busy.num_agents), np.int64))
    checked = 0
    for b, i in zip(*np.nonzero(obs["action_mask"][..., k.REJECT]), strict=True):
        head = Look(busy, b).queue(i)[0]
        service_at = int(head.service)
        family = busy.scenario.service[service_at].family
        for c in np.flatnonzero(obs["action_mask"][b, i]):
            route, d, e, p, m = layout.action_table[c]
            total = edge6g_env.costs.model(family[m]).layers
            row = obs["candidates"][b, i, c]
            assert (row[at["is_hold"]], row[at["is_reject"]]) == (route == k.HOLD, route == k.REJECT)
            if route < k.LOCAL:
                continue
            flags = row[[at["is_local"], at["is_neighbour"], at["is_cloud"]]]
            cloud = layout.cloud_route
            assert flags.tolist() == [route == k.LOCAL, k.LOCAL < route < cloud, route == cloud]
            shares = row[[at["device_share"], at["ingress_share"], at["target_share"]]]
            assert shares.sum() == pytest.approx(1.0)
            first = grid.device_split[d]
            second = 1.0 - first if route == k.LOCAL else (1.0 - first) * grid.edge_split[e]
            assert shares[:2] == pytest.approx([first, second], abs=1.0 / total)
            assert row[at["weight_bits"]] == pytest.approx(shapes.STORED_BITS[grid.precision[p]])
            on_device, before_cloud = (round(float(x) * total) / total for x in (shares[0], 1.0 - shares[2]))
            left = 0.0 if on_device == 1.0 else costs.exposure(on_device)
            reached = costs.exposure(before_cloud) if route == cloud else 0.0
            assert row[at["exposure_device"]] == pytest.approx(max(left, head.exposure_device))
            assert row[at["exposure_site"]] == pytest.approx(max(reached, head.exposure_site))
            checked += 1
    assert checked > 50


def test_mask_follows_privacy_and_memory():
    """Refusals by the scenario's own words: `device` never raw, `site` never raw to the cloud; weights and KV must fit."""
    batch = batch_env("campus", 2, **BUSY)
    obs = batch.reset(3)
    table, scenario = batch.action_table, batch.scenario
    shares = np.array(scenario.actions.device_split)[table[:, 1]]
    cuts = np.array(scenario.actions.edge_split)[table[:, 2]]
    seen, fits = set(), {}
    for model in scenario.models:
        for p, precision in enumerate(scenario.actions.precision):
            for device in scenario.nodes.devices:
                spec = edge6g_env.costs.device(device)
                usable = (0.6 if "jetson" in device else 0.9) * spec.mem_gb * 1e9
                fits[model, p, device] = edge6g_env.costs.memory_bytes(model, precision) < usable
    for _ in range(60):
        obs, *_ = batch.step(np.zeros((2, batch.num_agents), np.int64))
    for b, i in zip(*np.nonzero(obs["action_mask"][..., k.REJECT]), strict=True):
        service = scenario.service[int(Look(batch, b).queue(i)[0].service)]
        mask, device = obs["action_mask"][b, i] == 1, scenario.nodes.devices[i % len(scenario.nodes.devices)]
        seen.add(service.privacy)
        if service.privacy == "device":
            assert not mask[(table[:, 0] >= k.LOCAL) & (shares == 0.0)].any()
        if service.privacy == "site":
            assert not mask[(table[:, 0] == batch.layout.cloud_route) & (shares == 0.0) & (cuts == 0.0)].any()
        if service.privacy == "open":
            raw_to_cloud = (table[:, 0] == batch.layout.cloud_route) & (shares == 0.0) & (cuts == 0.0)
            assert mask[raw_to_cloud].all()
        if service.privacy != "device":
            for p in range(len(scenario.actions.precision)):
                (c,) = np.flatnonzero((table[:, 0] == k.LOCAL) & (shares == 0.0) & (table[:, 3] == p))
                assert mask[c] <= fits[service.default, p, device]
    assert seen == {"open", "site", "device"}


def test_a_device_takes_what_it_has_memory_for_and_one_model_at_a_time(make_bench, make_service):
    """Its layers and their KV for prompt and expected output; while a job runs there, no other precision."""
    model, precision = "llama-3.2-3b", "int4"
    bench = make_bench(["l40s"], services=[make_service(model=model)])
    spec, costs = edge6g_env.costs.model(model), edge6g_env.costs
    embedding = 2.0 * spec.vocab * spec.hidden
    layers_bytes = costs.memory_bytes(model, precision) - embedding  # tied: the head is the embedding

    def need_bytes(share):
        whole = round(share * spec.layers) / spec.layers
        return embedding + whole * (layers_bytes + float(costs.kv_bytes(model, 300.0)))

    phone = bench.phone()
    shares = [share for share in bench.scenario.actions.device_split if share > 0.0]
    names = {share: f"local, {share:g} on the device, {precision}" for share in shares}
    for factor, fits in ((1.001, True), (0.999, False)):
        for limit in shares:
            phone.usable_bytes = factor * need_bytes(limit)
            bench.reset(1)
            bench.lengths(200.0, 100.0)
            bench.send({0: 0.001})
            bench.step()
            legal = {share: bench.obs["action_mask"][0, 0, bench.action(name)] == 1 for share, name in names.items()}
            assert legal == {share: share < limit or (fits and share == limit) for share in shares}
    phone.usable_bytes = 100e9
    bench.reset(1)
    bench.lengths(200.0, 1000.0)
    bench.send({0: 0.001})
    bench.step(), bench.step(names[1.0])
    bench.send({0: bench.now_s + 0.001})
    bench.step()
    mask = bench.obs["action_mask"][0, 0] == 1
    on_device = np.array(bench.scenario.actions.device_split)[bench.batch.action_table[:, 1]] > 0.0
    at_int4 = bench.batch.action_table[:, 3] == bench.scenario.actions.precision.index(precision)
    assert mask[on_device & at_int4].all()
    assert not mask[on_device & ~at_int4].any()
