// What Python wrote (film.py): facts as JSON, arrays in one zlib stream.

import { byId } from "./dom.js";

const TYPES = {
  u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array, i4: Int32Array, f4: Float32Array,
};

async function inflated(text) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** The facts, with typed arrays in place of what refers to them. */
function revived(value, bytes) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item) => revived(item, bytes));
  if ("dtype" in value) return new TYPES[value.dtype](bytes, value.at, value.length);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, revived(item, bytes)]));
}

export async function readFilm() {
  const film = revived(JSON.parse(byId("head").textContent), await inflated(byId("arrays").textContent));
  film.end_s = Math.max(film.scene.times_s.at(-1), ...film.takes.map((take) => take.jobs.end_s.reduce((a, b) => Math.max(a, b), 0)));
  film.takes.forEach(addIndexes);
  return film;
}

/** What is looked up in every frame: jobs by the seconds in which they live, transfers by their start, ends by their time. */
function addIndexes(take) {
  const { jobs, legs } = take;
  take.rowOf = new Map(Array.from(jobs.number, (number, row) => [number, row]));
  take.alive = [];
  jobs.arrival_s.forEach((arrival_s, row) => {
    for (let k = Math.floor(arrival_s); k <= Math.floor(jobs.end_s[row]); k++) (take.alive[k] ??= []).push(row);
  });
  take.transfers = [];
  for (let row = 0; row < jobs.number.length; row++) {
    for (let leg = legs.first[row]; leg < legs.first[row + 1]; leg++) {
      if (legs.origin[leg] !== legs.place[leg]) take.transfers.push({ row, leg, start_s: legs.start_s[leg] });
    }
  }
  take.transfers.sort((a, b) => a.start_s - b.start_s);
  take.transferStarts = Float64Array.from(take.transfers, (transfer) => transfer.start_s);
  take.ended = Array.from(jobs.number.keys()).sort((a, b) => jobs.end_s[a] - jobs.end_s[b]);
  take.ends = Float64Array.from(take.ended, (row) => jobs.end_s[row]);
}
