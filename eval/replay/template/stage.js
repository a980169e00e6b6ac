// The map of one policy: a canvas, drawn anew for each time.

import { element, fill, percent, setText } from "./dom.js";
import { policyVariable } from "./colours.js";
import { drawBroken, makeBackdrop } from "./backdrop.js";
import { drawHandovers, drawHiddenUes, drawUeLinks, drawUes, placeUes } from "./crowd.js";
import { frameAt, frameCount, outagesAt, Serving } from "./moments.js";
import { makeLayout, placeAt } from "./layout.js";
import { drawServers } from "./servers.js";
import { actionAt, drawChosen, drawChosenUe, drawDevices, drawEnds, drawFlights, drawStreams } from "./traffic.js";

const REACH = 14; // pixels from a click to the job that it means

export class Stage {
  constructor(film, index, onPick, onTip) {
    this.film = film;
    this.take = film.takes[index];
    this.serving = new Serving(film.scene);
    this.points = film.scene.ue_devices.map(() => ({ x: 0, y: 0 }));
    this.hits = [];
    this.canvas = element("canvas", { role: "img", "aria-label": `Map of ${film.scene.title} under ${this.take.policy}` });
    this.score = element("dl", { class: "score" });
    const name = element("h3", { "--mark": policyVariable(index) }, this.take.policy);
    this.root = element("div", { class: "stage" }, element("header", {}, name, this.score), this.canvas);
    this.pen = this.canvas.getContext("2d", { alpha: false });
    this.canvas.addEventListener("click", (event) => onPick(this.jobAt(event)));
    this.canvas.addEventListener("pointermove", (event) => onTip(this.textAt(event), event));
    this.canvas.addEventListener("pointerleave", (event) => onTip(null, event));
  }

  /** Fit the canvas to its column. */
  resize(colours, highest) {
    const width = this.canvas.clientWidth, ratio = Math.min(2, window.devicePixelRatio || 1);
    if (!width) return;
    this.colours = colours;
    this.layout = makeLayout(this.film.scene, width, highest);
    this.canvas.style.height = `${this.layout.height}px`;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.layout.height * ratio);
    this.ratio = ratio;
    this.backdrop = makeBackdrop(this.film.scene, this.layout, colours, ratio);
  }

  draw(t, speed, number) {
    const { film, take, layout, colours, pen, points } = this, { scene } = film;
    if (!layout) return;
    this.t = t;
    this.hits = [];
    const hit = (row, x, y) => this.hits.push({ row, x, y });
    const chosen = take.rowOf.get(number), serving = this.serving.at(t), down = outagesAt(film, take, t), action = actionAt(take, t);
    this.action = action;
    placeUes(scene, layout, t, points);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(this.backdrop, 0, 0);
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    drawBroken(pen, scene, layout, colours, down);
    drawUeLinks(pen, film, take, layout, colours, t, points, serving);
    drawStreams(pen, film, take, layout, colours, t, points, action.streams, serving);
    drawHandovers(pen, scene, layout, colours, t, points);
    drawUes(pen, layout, colours, points);
    drawChosen(pen, film, take, layout, colours, t, points, serving, chosen);
    drawServers(pen, film, take, layout, colours, t, action.resting, down, chosen, hit);
    drawHiddenUes(pen, scene, layout, colours, points);
    drawDevices(pen, take, colours, points, action.atUe, hit);
    drawChosenUe(pen, take, colours, t, points, chosen);
    drawFlights(pen, film, take, layout, colours, t, points, action.flights, serving, speed, hit);
    drawEnds(pen, take, colours, t, points, speed);
  }

  showScore(score) {
    const texts = Object.entries(score);
    if (!this.figures) fill(this.score, ...texts.map(([name]) => element("div", {}, element("dt", {}, name), element("dd"))));
    this.figures ??= this.score.querySelectorAll("dd");
    texts.forEach(([, text], k) => setText(this.figures[k], text));
  }

  #pixel(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left - this.canvas.clientLeft, y: event.clientY - box.top - this.canvas.clientTop };
  }

  /** Number of the job nearest to a click, of a UE's the last that it sent; undefined: none is near. */
  jobAt(event) {
    const { x, y } = this.#pixel(event), off = (point) => Math.hypot(point.x - x, point.y - y);
    const near = this.hits.filter((one) => off(one) <= REACH).sort((a, b) => off(a) - off(b))[0];
    if (near) return this.take.jobs.number[near.row];
    const { arrival_s, ue, number } = this.take.jobs;
    const nearest = this.points.map((point, u) => [off(point), u]).sort((a, b) => a[0] - b[0])[0];
    if (!nearest || nearest[0] > REACH) return undefined;
    for (let row = number.length - 1; row >= 0; row--) if (ue[row] === nearest[1] && arrival_s[row] <= this.t) return number[row];
    return undefined;
  }

  /** What stands beside the pointer: the numbers of a node or the cloud. */
  textAt(event) {
    if (!this.layout) return null;
    const { x, y } = this.#pixel(event), place = placeAt(this.film.scene, this.layout, x, y);
    return place === null ? null : placeText(this.film, this.take, place, this.t);
  }
}

/** Numbers of a node at a time, by name. */
export function nodeNumbers(film, take, node, t) {
  const k = node * frameCount(film) + frameAt(film, t), { frames } = take, { scene } = film;
  const share = (name) => percent(frames[name][k] / scene.memory_parts);
  return {
    server: frames.up[k] ? "up" : "down",
    "to decide": frames.queue[k],
    waiting: frames.inbox[k],
    "sequences with KV": frames.sequences[k],
    training: frames.training[k],
    weights: share("weight_bytes"),
    KV: share("kv_bytes"),
    loading: frames.load_variant[k] < 0 ? "–" : scene.variants[frames.load_variant[k]],
  };
}

function placeText(film, take, place, t) {
  const { scene } = film;
  if (place === scene.cloud_place) {
    const at = frameAt(film, t);
    return `cloud, ${scene.cloud.device}\n${take.frames.cloud_running[at]} of ${scene.cloud.places} places, ${take.frames.cloud_waiting[at]} waiting`;
  }
  const { name, device, memory_gb, band } = scene.nodes[place];
  const lines = Object.entries(nodeNumbers(film, take, place, t)).map(([what, value]) => `${what}: ${value}`);
  return [`${name}, ${device}, ${memory_gb.toFixed(0)} GB, ${scene.bands[band]}`, ...lines].join("\n");
}
