// What was at a time: places of UEs, legs of jobs, frames of nodes.

/** Index of the last of ascending values in [first, end) that is at most t; first - 1 if none is. */
export function lastUntil(values, t, first = 0, end = values.length) {
  let low = first, high = end;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Frame that t lies in. */
export const frameAt = (film, t) => Math.max(0, lastUntil(film.scene.times_s, t + 1e-6));

/** Number of frames, which is how far a row of a series is from the next. */
export const frameCount = (film) => film.scene.times_s.length;

/** Place of UE u in m, between the points of its way. */
export function placeOfUe({ paths }, u, t, into) {
  const end = paths.first[u + 1], k = Math.max(paths.first[u], lastUntil(paths.time_s, t, paths.first[u], end));
  const next = Math.min(k + 1, end - 1), span = paths.time_s[next] - paths.time_s[k];
  const done = span > 0 ? Math.min(1, (t - paths.time_s[k]) / span) : 0;
  into.x = paths.x_m[k] + done * (paths.x_m[next] - paths.x_m[k]);
  into.y = paths.y_m[k] + done * (paths.y_m[next] - paths.y_m[k]);
  return into;
}

/** Node that serves each UE at t, worked out from the last time on. */
export class Serving {
  #scene; #nodes; #next; #t;

  constructor(scene) {
    this.#scene = scene;
    this.#rewind();
  }

  #rewind() {
    this.#nodes = Array.from(this.#scene.paths.first_node);
    this.#next = 0;
    this.#t = -Infinity;
  }

  at(t) {
    if (t < this.#t) this.#rewind();
    const { time_s, ue, target } = this.#scene.handovers;
    for (; this.#next < time_s.length && time_s[this.#next] <= t; this.#next++) this.#nodes[ue[this.#next]] = target[this.#next];
    this.#t = t;
    return this.#nodes;
  }
}

/** Handovers of the last span_s seconds, as indices. */
export function recentHandovers({ handovers }, t, span_s) {
  const last = lastUntil(handovers.time_s, t), first = lastUntil(handovers.time_s, t - span_s) + 1;
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, k) => first + k);
}

/** Rows of the jobs that live at t, by arrival. */
export function jobsAt(take, t) {
  const { arrival_s, end_s } = take.jobs;
  return (take.alive[Math.floor(t)] ?? []).filter((row) => arrival_s[row] <= t && t < end_s[row]);
}

/** Leg of the job in a row at t. */
export function legAt(take, row, t) {
  const { first, start_s } = take.legs;
  return Math.max(first[row], lastUntil(start_s, t, first[row], first[row + 1]));
}

export const legEnd = (take, row, leg) =>
  (leg + 1 < take.legs.first[row + 1] ? take.legs.start_s[leg + 1] : take.jobs.end_s[row]);

/** What a leg is: wait, transfer, decode or compute. */
export function kindOf(take, leg) {
  const { names, name, origin, place } = take.legs, word = names[name[leg]];
  if (word.startsWith("wait")) return "wait";
  if (origin[leg] !== place[leg]) return "transfer";
  return word === "decode" ? "decode" : "compute";
}

/** Whether a part is down at t: a node, a link (its lower node and the other), a backhaul or the cloud. */
export function outagesAt(film, take, t) {
  const { outages } = take, kinds = film.scene.fault_kinds, down = { node: new Set(), xn: new Set(), backhaul: new Set(), cloud: false };
  for (let k = 0; k < outages.start_s.length; k++) {
    if (outages.start_s[k] > t || t >= outages.end_s[k]) continue;
    const kind = kinds[outages.kind[k]], node = outages.node[k], peer = outages.peer[k];
    if (kind === "cloud") down.cloud = true;
    else down[kind].add(kind === "xn" ? `${Math.min(node, peer)}-${Math.max(node, peer)}` : node);
  }
  return down;
}

/** The decision by which the job in a row went on at t, the first one before it; -1: none was carried out. */
export function decisionAt(take, row, t) {
  const { first, time_s } = take.decisions;
  if (first[row] === first[row + 1]) return -1;
  return Math.max(first[row], lastUntil(time_s, t, first[row], first[row + 1]));
}
