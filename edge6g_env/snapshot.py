"""A world to look at: named, copied, read-only views of one world of a batch, as it stands between two steps.

Who draws, records or tests reads this, not the arrays of the kernel. Looking steps no world and changes nothing in it. What no step
changes stands in `edge6g_env.scene`. Sizes: N nodes, K neighbours a node, U UEs, J jobs in flight, S services, V variants, P parts that
can fail, H hotspots. Times are seconds since the start of the episode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edge6g_env._arguments import one_world
from edge6g_env.kernel import codes
from edge6g_env.kernel.legs import LEG_NAMES, LEGS
from edge6g_env.kernel.outside import place_hotspots
from edge6g_env.kernel.world import World
from edge6g_env.scene import read_only

if TYPE_CHECKING:
    from edge6g_env.batch import BatchEnv

PLACES = ("node", "device", "air", "link", "cloud")
AT_NODE, ON_DEVICE, ON_AIR, ON_LINK, AT_CLOUD = range(len(PLACES))
WAITS = ("", "decision", "memory", "queue", "cloud place", "round", "repair")
"""What a job waits for: nothing; a decision; weights, KV or training memory at a node; its turn on the accelerator; a place in the cloud;
the others of a training round; its way back to its queue after a fault."""
NO_WAIT, DECISION, MEMORY, TURN, CLOUD_PLACE, ROUND, REPAIR = range(len(WAITS))
LEG_OF_JOB = ("decision", *dict.fromkeys(name for names in LEG_NAMES for name in names.values()), "end", "return")
"""Names of the legs of all kinds of jobs (kernel/legs.py), between those of a job that waits for its decision, of one whose answer is
on its last way, and of one that comes back to its queue after a fault."""
FAULT_KINDS = codes.FAULT_KINDS
_END, _RETURN = len(LEG_OF_JOB) - 2, len(LEG_OF_JOB) - 1


class Ues(NamedTuple):
    """UEs, (U,) each."""

    x_m: np.ndarray  # float64 m: east of the south-west corner
    y_m: np.ndarray  # float64 m: north of it
    speed_m_s: np.ndarray  # float64 m/s, 0: it rests
    indoor: np.ndarray  # bool: inside a building
    node: np.ndarray  # int64: node of the serving cell
    last_node: np.ndarray  # int64: the one that served before, -1: none
    handover_s: np.ndarray  # float64 s: the last handover, 0: there was none
    silent: np.ndarray  # bool: in the interruption of a handover
    los: np.ndarray  # bool: line of sight to the serving cell
    blocked: np.ndarray  # bool: somebody stands in that link
    sinr_db: np.ndarray  # float64 dB: uplink, whole band, without fading, at the last channel estimate
    seen_uplink_db: np.ndarray  # float64 dB: what agents estimate that it is
    seen_downlink_db: np.ndarray  # float64 dB: their estimate of the downlink
    uplink_bit_s: np.ndarray  # float64 bit/s: throughput when it last sent to this cell, 0: not yet
    downlink_bit_s: np.ndarray  # float64 bit/s: that of the whole cell when it last received from this one, 0: not yet
    uploads: np.ndarray  # int64: jobs of it that send up
    downloads: np.ndarray  # int64: jobs of it that send bytes or tokens down, beside decodes under way
    device_variant: np.ndarray  # int64: variant on its device, -1: none
    device_layers: np.ndarray  # int64: layers there
    device_jobs: np.ndarray  # int64: jobs that hold memory of the device
    device_busy: np.ndarray  # int64: of them: jobs that compute there now
    loop: np.ndarray  # int64: service whose loop it runs, -1: none


class Nodes(NamedTuple):
    """Nodes: server, accelerator, cell and backhaul; (N,) each where nothing else is said."""

    up: np.ndarray  # bool: its server runs
    backhaul_up: np.ndarray  # bool
    queue: np.ndarray  # int64: jobs that wait for a decision
    head: np.ndarray  # int64: number of the job to be decided, -1: none
    inbox: np.ndarray  # int64: jobs that wait for weights, KV or prefill
    sequences: np.ndarray  # int64: sequences that hold KV memory
    batch: np.ndarray  # int64: sequences that decode, with a part here
    trainees: np.ndarray  # int64: training jobs, with memory or asking for it
    kv_bytes: np.ndarray  # float64 B: reserved KV memory
    training_bytes: np.ndarray  # float64 B: what training jobs hold beside weights
    weight_bytes: np.ndarray  # float64 B: resident weights and adapters, and those being loaded
    low: np.ndarray  # int64 (N, V): first resident layer of a variant
    high: np.ndarray  # int64 (N, V): end of its resident layers, low: none
    users: np.ndarray  # int64 (N, V): jobs that need these weights
    adapter: np.ndarray  # bool (N, A): LoRA adapter in memory, or on its way there
    load_variant: np.ndarray  # int64: variant being loaded, -1: none; the next five mean something beside a load only
    load_low: np.ndarray  # int64: first layer resident when the load ends
    load_high: np.ndarray  # int64: end of the layers resident then
    load_source: np.ndarray  # int64: -1 the disk, 0 to K - 1 a neighbour, K the backhaul
    load_left_bytes: np.ndarray  # float64 B: what is left of it
    load_end_s: np.ndarray  # float64 s: when it ends, at its present rate
    chunk_job: (
        np.ndarray
    )  # int64: number of the job whose prompt chunk or training slice runs; -1: none, the next four mean nothing
    chunk_trains: np.ndarray  # bool: it is a slice of training
    chunk_start_s: np.ndarray  # float64 s: when its iteration began
    chunk_end_s: np.ndarray  # float64 s: when it ends
    chunk_tokens: np.ndarray  # float64: prompt tokens in it
    cycle_s: np.ndarray  # float64 s: one decode iteration of every active variant
    backlog_s: np.ndarray  # float64 s: work of the prompts that wait
    prefill_share: np.ndarray  # float64: share of recent time spent on prefill
    ran_load: np.ndarray  # float64: load of its cell
    uploads: np.ndarray  # int64: jobs that send up in its cell
    downloads: np.ndarray  # int64: jobs that send down in its cell, as of Ues
    to_cloud: np.ndarray  # int64: jobs on its backhaul, there or back


class Links(NamedTuple):
    """Xn links from each node to its neighbours (Scene.neighbour), (N, K) each; a link that two nodes have with each other stands twice."""

    up: np.ndarray  # bool: it carries
    transfers: np.ndarray  # int64: jobs that this node, their ingress, has on it, there or back
    load: np.ndarray  # bool: this node loads weights over it


class Cloud(NamedTuple):
    """The cloud."""

    up: bool
    busy: int  # places that are taken, of Scene.cloud_places
    waiting: int  # jobs that wait for a place


class Parts(NamedTuple):
    """Parts that can fail, (P,) each."""

    kind: np.ndarray  # int64: index into FAULT_KINDS
    node: np.ndarray  # int64: its node, of a link the end that comes first, -1: the cloud
    peer: np.ndarray  # int64: other end of a link, -1: none
    up: np.ndarray  # bool
    planned: np.ndarray  # bool: a planned outage is in force
    broken: np.ndarray  # bool: it has failed by chance


class Jobs(NamedTuple):
    """Jobs that wait for a decision or are under way, by their numbers; (J,) each where nothing else is said."""

    number: np.ndarray  # int64: running number in the world, as in outcomes and infos, ascending
    service: np.ndarray  # int64
    ue: np.ndarray  # int64
    ingress: np.ndarray  # int64: node that it came to
    target: np.ndarray  # int64: where its last layers run: a node, N the cloud, -1 the device, or not decided
    link: np.ndarray  # int64: link from ingress to target: 0 to K - 1 a neighbour's, K the backhaul, -1: none
    leg: np.ndarray  # int64: index into LEG_OF_JOB
    leg_s: np.ndarray  # float64 s: when it began; ahead of now while the delay on the way to it runs
    place: np.ndarray  # int64: where it is, index into PLACES; of a decode where its last layers run
    node: (
        np.ndarray
    )  # int64: the node of that: where it is, its UE's for device and air, its ingress on a link, N in the cloud
    waits: np.ndarray  # int64: for what, index into WAITS
    action: np.ndarray  # int64: row of the action table, -1: not decided
    variant: np.ndarray  # int64: model and precision, of a job that is decided
    device_layers: np.ndarray  # int64: layers on the device
    drafts: np.ndarray  # bool: its device drafts
    part_node: np.ndarray  # int64 (J, 2): node of its parts at ingress and target, N: the cloud, -1: none
    part_low: np.ndarray  # int64 (J, 2): first layer there
    part_high: np.ndarray  # int64 (J, 2): end of the layers there
    kv_bytes: np.ndarray  # float64 B (J, 2): KV or training state held there
    arrival_s: np.ndarray  # float64 s
    decided_slot: np.ndarray  # int64: slot of the decision, -1: none
    first_token_s: np.ndarray  # float64 s: first token at the UE, -1: not yet
    prompt_tokens: np.ndarray  # float64: prompt, with the tokens of pictures and sound
    prefilled_tokens: np.ndarray  # float64: of the setup pass in its present part
    output_tokens: np.ndarray  # float64: output, which agents do not know
    done_tokens: np.ndarray  # float64: tokens generated
    done_steps: np.ndarray  # float64: training steps that are credited
    left_bytes: np.ndarray  # float64 B: left to send in a leg over the air or a link
    retries: np.ndarray  # int64: how often it was put back after a fault
    energy_j: np.ndarray  # float64 J: so far
    price_usd: np.ndarray  # float64 USD: so far


class Snapshot(NamedTuple):
    """One world at the end of a slot."""

    now_s: float  # time
    slot: int  # slots since the start
    seed: int  # of the world
    episode: int  # number of its episode, from 0
    ues: Ues
    nodes: Nodes
    links: Links
    cloud: Cloud
    jobs: Jobs
    parts: Parts
    hotspots_m: np.ndarray  # float64 m (H, 2): x, y of the centres in this episode


def look(env: BatchEnv, world: int = 0) -> Snapshot:
    """World `world` of a batch as it stands; all arrays are read-only copies.

    Raises UserError for a world that is not there, RuntimeError before the first reset.
    """
    b = one_world(world, env.num_worlds)
    if not env.started:
        raise RuntimeError("call reset before look")
    w, handle = env.seen(b)
    episode, step = w.episode.view(np.ndarray)[b], w.step.view(np.ndarray)[b]
    now_s = float(episode["now_s"])
    jobs = _jobs(w, b)
    return Snapshot(
        now_s=now_s,
        slot=int(episode["slot"]),
        seed=int(step["seed"]),
        episode=int(step["episode"]),
        ues=_ues(w, b, now_s, jobs),
        nodes=_nodes(w, b, jobs),
        links=_links(w, b, jobs),
        cloud=Cloud(bool(episode["cloud_up"]), int(episode["cloud_running"]), int(episode["n_cloud_wait"])),
        jobs=jobs,
        parts=_parts(w, b),
        hotspots_m=_hotspots_m(w, handle, b),
    )


def _rows(array: np.ndarray, at: Any) -> np.ndarray:
    """A read-only copy of some rows of a record array, at once: numpy would copy them field by field. A field of it is read-only too."""
    plain = array.view(np.ndarray)
    copied = np.array(plain.view(np.dtype((np.void, plain.itemsize)))[at])
    return read_only(copied.view(plain.dtype))


def _flag(values: np.ndarray) -> np.ndarray:
    return read_only(values > 0)


def _count(places: np.ndarray, size: int) -> np.ndarray:
    return read_only(np.bincount(places, minlength=size))


# --- UEs -----------------------------------------------------------------------------------------------------------------------------


def _ues(w: World, b: int, now_s: float, jobs: Jobs) -> Ues:
    ue, cell = _rows(w.ue, b), w.cell.view(np.ndarray)
    serving = b, np.arange(len(ue)), ue["serving"]
    x_m, y_m = places_m(ue, now_s)
    up_bit_s, down_bit_s = _rates_bit_s(w, ue)
    goes_up, goes_down = _on_air(jobs)
    return Ues(
        x_m=read_only(x_m),
        y_m=read_only(y_m),
        speed_m_s=ue["speed_m_s"],
        indoor=_flag(ue["indoor"]),
        node=ue["node"],
        last_node=ue["last_node"],
        handover_s=ue["handover_s"],
        silent=read_only(ue["silent_until_s"] > now_s),
        los=_flag(cell["los"][serving]),
        blocked=_flag(cell["blocked"][serving]),
        sinr_db=ue["sinr_db"],
        seen_uplink_db=ue["seen_uplink_db"],
        seen_downlink_db=ue["seen_downlink_db"],
        uplink_bit_s=read_only(up_bit_s),
        downlink_bit_s=read_only(down_bit_s),
        uploads=_count(jobs.ue[goes_up], len(ue)),
        downloads=_count(jobs.ue[goes_down], len(ue)),
        device_variant=ue["device_variant"],
        device_layers=ue["device_layers"],
        device_jobs=ue["device_jobs"],
        device_busy=ue["device_busy"],
        loop=ue["loop"],
    )


def places_m(ue: np.ndarray | Mapping[str, np.ndarray], now_s: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x, y of UEs now, on their way or at its end, as kernel/channel.py, `stand`, has them, which would write them to the world.

    ue: fields of the state, (..., U) each; now_s: a number, or (..., 1).
    """
    start_s, end_s, from_x_m, from_y_m = ue["leg_start_s"], ue["leg_end_s"], ue["from_x_m"], ue["from_y_m"]
    walks = now_s < end_s
    done = np.where(walks, (now_s - start_s) / np.where(walks, end_s - start_s, 1.0), 1.0)
    return from_x_m + done * (ue["to_x_m"] - from_x_m), from_y_m + done * (ue["to_y_m"] - from_y_m)


def _rates_bit_s(w: World, ue: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Throughput of UEs up, and of their cells down; rates that are fixed are shared by the cell."""
    radio = w.radio.view(np.ndarray)[0]
    if radio["fixed"]:
        rates = radio["fixed_uplink_bit_s"], radio["fixed_downlink_bit_s"]
        return np.full(len(ue), rates[0]), np.full(len(ue), rates[1])
    up, down = ue["up_step"] >= 0, ue["down_step"] >= 0
    return np.where(up, ue["up_bit_s"], 0.0), np.where(down, ue["down_bit_s"], 0.0)


# --- jobs ----------------------------------------------------------------------------------------------------------------------------


def _legs_of_kinds() -> np.ndarray:
    """int64 (kinds, legs): index into LEG_OF_JOB of each place on the way of a kind; what is no leg, a count of steps, is none."""
    out = np.full(LEGS.shape[:2], _END)
    for kind, names in enumerate(LEG_NAMES):
        for leg, (stage, part) in enumerate(LEGS[kind].tolist()):
            if name := names.get((stage, part)):
                out[kind, leg] = LEG_OF_JOB.index(name)
    return out


_LEG_NUMBERS = _legs_of_kinds()


def _by_stage(default: int, *of_stages: tuple[int, tuple[int, ...]]) -> np.ndarray:
    """int64 (stages,): a number for each stage."""
    out = np.full(codes.MEET + 1, default)
    for value, stages in of_stages:
        out[list(stages)] = value
    return out


_PLACE = _by_stage(
    AT_NODE,
    (ON_DEVICE, (codes.DEVICE,)),
    (ON_AIR, (codes.UPLINK, codes.DOWNLINK, codes.DOWNLOAD, codes.END)),
    (ON_LINK, (codes.LINK, codes.BACK, codes.RETURN)),
    (AT_CLOUD, (codes.CLOUD_WAIT,)),
)
_WAIT = _by_stage(
    NO_WAIT,
    (DECISION, (codes.QUEUED,)),
    (MEMORY, (codes.ADMIT,)),
    (TURN, (codes.NODE_PREFILL, codes.TRAIN)),
    (CLOUD_PLACE, (codes.CLOUD_WAIT,)),
    (ROUND, (codes.MEET,)),
    (REPAIR, (codes.RETURN,)),
)
_AT_LAST_PART = _by_stage(0, (1, (codes.DECODE, codes.TRAIN, codes.ADMIT, codes.MEET))) == 1
_IN_CLOUD = _by_stage(0, (1, (codes.CLOUD_WAIT, codes.TRAIN))) == 1


def _rows_in_flight(w: World, b: int) -> np.ndarray:
    """Rows of the jobs of a world, by number."""
    active = w.roster[b, codes.ACTIVE, : int(w.episode.view(np.ndarray)["n_active"][b])]
    waiting = w.node.view(np.ndarray)["n_queue"][b].tolist()
    rows = np.concatenate([active, *(w.queue[b, i, codes.DISPATCH, :n] for i, n in enumerate(waiting) if n)])
    return rows[np.argsort(w.job.view(np.ndarray)["number"][b, rows])]


def _jobs(w: World, b: int) -> Jobs:
    rows = _rows_in_flight(w, b)
    job, part = _rows(w.job, (b, rows)), _rows(w.part, (b, rows))
    stage, link = job["stage"], job["link"]
    target = _targets(link, part)
    place, node = _places_of(w, b, job, part, target)
    return Jobs(
        number=job["number"],
        service=job["service"],
        ue=job["ue"],
        ingress=job["ingress"],
        target=read_only(target),
        link=link,
        leg=read_only(_leg_numbers(w.service.view(np.ndarray)["kind"][job["service"]], job["leg"], stage)),
        leg_s=job["stage_s"],
        place=read_only(place),
        node=read_only(node),
        waits=read_only(_waits(w, b, rows, job, part, place, node)),
        action=job["action"],
        variant=job["variant"],
        device_layers=job["device_layers"],
        drafts=read_only(job["draft"] >= 0),
        part_node=part["node"],
        part_low=part["low"],
        part_high=part["high"],
        kv_bytes=part["kv_bytes"],
        arrival_s=job["arrival_s"],
        decided_slot=job["decided_slot"],
        first_token_s=job["first_token_s"],
        prompt_tokens=job["prompt_tokens"],
        prefilled_tokens=job["prefilled"],
        output_tokens=job["output_tokens"],
        done_tokens=job["done_tokens"],
        done_steps=job["done_steps"],
        left_bytes=job["left_bytes"],
        retries=job["retries"],
        energy_j=job["energy_j"],
        price_usd=job["price_usd"],
    )


def _targets(link: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Where the last layers of jobs run: at the target if a link leads there, at the ingress if it has layers, else on the device."""
    at_ingress = np.where(
        part["high"][:, codes.INGRESS] > part["low"][:, codes.INGRESS], part["node"][:, codes.INGRESS], -1
    )
    return np.where(link >= 0, part["node"][:, codes.TARGET], at_ingress)


def _leg_numbers(kind: np.ndarray, leg: np.ndarray, stage: np.ndarray) -> np.ndarray:
    of_leg = np.where(stage == codes.END, _END, _LEG_NUMBERS[kind, leg])
    return np.where(stage == codes.QUEUED, 0, np.where(stage == codes.RETURN, _RETURN, of_leg))


def _places_of(
    w: World, b: int, job: np.ndarray, part: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where each job is, and the node of that."""
    cloud, stage = w.node.shape[1], job["stage"]
    at_last = _AT_LAST_PART[stage]
    place = np.where(at_last & (target < 0), ON_DEVICE, _PLACE[stage])
    place = np.where(at_last & (target == cloud), AT_CLOUD, place)
    node = np.where(at_last, target, job["ingress"])
    prefills = stage == codes.NODE_PREFILL
    node = np.where(prefills, part["node"][np.arange(len(job)), np.where(prefills, job["part"], 0)], node)
    serving = w.ue.view(np.ndarray)["node"][b, job["ue"]]
    node = np.where((place == ON_DEVICE) | (place == ON_AIR), serving, node)
    return place, np.where(place == AT_CLOUD, cloud, node)


def _waits(
    w: World, b: int, rows: np.ndarray, job: np.ndarray, part: np.ndarray, place: np.ndarray, node: np.ndarray
) -> np.ndarray:
    """What each job waits for: one at a node for memory until it has it, then for its turn until its chunk or slice runs."""
    stage = job["stage"]
    waits = _WAIT[stage]
    state = part["state"][np.arange(len(job)), np.clip(job["part"], codes.INGRESS, codes.TARGET)]
    lacks = (stage == codes.NODE_PREFILL) & (state != codes.ADMITTED) & (state != codes.PREFILLED)
    waits = np.where(lacks, MEMORY, waits)
    runs = w.server.view(np.ndarray)["chunk_job"][b, np.where(place == AT_NODE, node, 0)] == rows
    at_cloud = (job["in_cloud"] == 1) & _IN_CLOUD[stage]
    return np.where((runs & (place == AT_NODE)) | at_cloud, NO_WAIT, waits)


def _on_air(jobs: Jobs) -> tuple[np.ndarray, np.ndarray]:
    """bool (J,) twice: jobs that go up the air, and down."""
    up = (jobs.place == ON_AIR) & _GOES_UP[jobs.leg]
    return up, (jobs.place == ON_AIR) & ~up


def _goes_up() -> np.ndarray:
    """bool (legs,): legs of LEG_OF_JOB that are uploads."""
    uploads = {name for names in LEG_NAMES for (stage, _), name in names.items() if stage == codes.UPLINK}
    return np.array([name in uploads for name in LEG_OF_JOB])


_GOES_UP = _goes_up()


# --- nodes, links, parts -------------------------------------------------------------------------------------------------------------


def _nodes(w: World, b: int, jobs: Jobs) -> Nodes:
    n = w.node.shape[1]
    node, server, variant = (_rows(array, b) for array in (w.node, w.server, w.variant))
    number = w.job.view(np.ndarray)["number"][b]
    goes_up, goes_down = _on_air(jobs)
    cell = w.ue.view(np.ndarray)["node"][b, jobs.ue]
    has_part = (jobs.leg == _DECODES)[:, None] & (jobs.part_high > jobs.part_low) & (jobs.part_node < n)
    on_backhaul = (jobs.place == ON_LINK) & (jobs.link == w.link.shape[2])
    return Nodes(
        up=_flag(node["up"]),
        backhaul_up=_flag(node["backhaul_up"]),
        queue=node["n_queue"],
        head=read_only(np.where(node["head"] >= 0, number[node["head"]], -1)),
        inbox=server["n_inbox"],
        sequences=server["n_admitted"],
        batch=_count(jobs.part_node[has_part], n),
        trainees=server["n_trainees"],
        kv_bytes=server["kv_bytes"],
        training_bytes=server["training_bytes"],
        weight_bytes=server["weight_bytes"],
        low=variant["low"],
        high=variant["high"],
        users=variant["users"],
        adapter=_flag(w.adapter.view(np.ndarray)["resident"][b]),
        load_variant=server["load_variant"],
        load_low=server["load_low"],
        load_high=server["load_high"],
        load_source=server["load_source"],
        load_left_bytes=server["load_left_bytes"],
        load_end_s=server["load_end_s"],
        chunk_job=read_only(np.where(server["chunk_job"] >= 0, number[server["chunk_job"]], -1)),
        chunk_trains=_flag(server["chunk_trains"]),
        chunk_start_s=read_only(server["chunk_end_s"] - server["chunk_s"]),
        chunk_end_s=server["chunk_end_s"],
        chunk_tokens=server["chunk_tokens"],
        cycle_s=server["cycle_s"],
        backlog_s=server["backlog_s"],
        prefill_share=server["prefill_share"],
        ran_load=node["ran_load"],
        uploads=_count(cell[goes_up], n),
        downloads=_count(cell[goes_down], n),
        to_cloud=_count(jobs.ingress[on_backhaul], n),
    )


_DECODES = LEG_OF_JOB.index("decode")


def _links(w: World, b: int, jobs: Jobs) -> Links:
    link, server = w.link.view(np.ndarray)[b], w.server.view(np.ndarray)[b]
    neighbours = link.shape[1]
    crosses = (jobs.place == ON_LINK) & (jobs.link >= 0) & (jobs.link < neighbours)
    at = jobs.ingress[crosses] * neighbours + jobs.link[crosses]
    loads = np.where(server["load_variant"] >= 0, server["load_source"], -1)
    return Links(
        up=_flag(link["up"]),
        transfers=read_only(np.bincount(at, minlength=link.size).reshape(link.shape)),
        load=read_only(loads[:, None] == np.arange(neighbours)),
    )


def _parts(w: World, b: int) -> Parts:
    fault = _rows(w.fault, b)
    kind, node, peer = (fault[name] for name in ("kind", "node", "peer"))
    return Parts(kind, node, peer, _flag(fault["up"]), _flag(fault["planned"]), _flag(fault["broken"]))


def _hotspots_m(w: World, handle: Any, b: int) -> np.ndarray:
    centres_m = np.zeros((int(w.mobility.view(np.ndarray)[0]["hotspots"]), 2))
    if len(centres_m):
        with np.errstate(over="ignore"):
            place_hotspots(handle, b, centres_m)
    return read_only(centres_m)
