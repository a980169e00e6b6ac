// The page: maps, time, keys, and the job that was picked.

import { byId, element, fill, setText } from "./dom.js";
import { readFilm } from "./data.js";
import { policyVariable, readColours, serviceVariable, SINR_ENDS } from "./colours.js";
import { nodeNumbers, Stage } from "./stage.js";
import { makeScore, scoreAt } from "./score.js";
import { jobLife, jobTitle } from "./life.js";
import { JobList } from "./lists.js";
import { Strip } from "./strip.js";
import { Clock } from "./clock.js";
import { jobsAt } from "./moments.js";

const TEXT_MS = 200, LISTS_MS = 1000; // between two updates of figures, and of lists and tables, while it plays
const KEYS_TAKEN = "input, select, button, summary, a";

class Player {
  #textAt = -Infinity;
  #listsAt = -Infinity;
  #lives = [];

  constructor(film) {
    this.film = film;
    this.number = undefined;
    this.stages = film.takes.map((_, k) => new Stage(film, k, (number) => number !== undefined && this.pick(number), showTip));
    this.scores = film.takes.map((take) => makeScore(film, take));
    this.list = new JobList(film, (number) => this.pick(number));
    this.clock = new Clock(film.end_s, () => this.draw(), () => this.#changed());
    this.strip = new Strip(film, byId("strip"), (t) => this.clock.seek(t));
    byId("main").classList.add(film.takes.length > 1 ? "several" : "single");
    fill(byId("stages"), ...this.stages.map((stage) => stage.root));
    this.#listen();
    this.resize();
  }

  #listen() {
    const slider = byId("slider");
    slider.max = this.film.end_s;
    slider.addEventListener("input", () => this.clock.seek(slider.valueAsNumber));
    byId("play").addEventListener("click", () => this.clock.toggle());
    byId("speed").addEventListener("change", (event) => { this.clock.speed = Number(event.target.value); });
    byId("nodes").addEventListener("toggle", () => this.#showNodes(), true);
    document.addEventListener("keydown", (event) => this.#key(event));
    window.addEventListener("resize", () => this.resize());
    window.addEventListener("hashchange", () => this.fromHash());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.resize());
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target.closest?.(KEYS_TAKEN) && event.target.id !== "play")) return;
    const step = event.shiftKey ? 10 : 1, { clock } = this;
    const acts = {
      " ": () => clock.toggle(), ArrowRight: () => clock.seek(clock.t + step), ArrowLeft: () => clock.seek(clock.t - step),
      Home: () => clock.seek(0), End: () => clock.seek(clock.end_s),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }

  /** Sizes and colours anew. */
  resize() {
    const colours = readColours(), highest = Math.max(300, 0.68 * window.innerHeight);
    for (const stage of this.stages) stage.resize(colours, highest);
    this.strip.resize(colours);
    this.draw();
  }

  draw() {
    const { t, speed, runs } = this.clock;
    for (const stage of this.stages) stage.draw(t, runs ? speed : 1, this.number);
    this.strip.draw(t);
    for (const life of this.#lives) life.mark(t);
    const now = performance.now();
    if (runs && now - this.#textAt < TEXT_MS) return;
    this.#textAt = now;
    this.#showText(t);
    if (runs && now - this.#listsAt < LISTS_MS) return;
    this.#listsAt = now;
    this.#showLists(t);
  }

  #showText(t) {
    const slider = byId("slider"), text = `${t.toFixed(1)} s of ${this.film.end_s.toFixed(0)} s`;
    slider.value = t;
    slider.setAttribute("aria-valuetext", text);
    setText(byId("now"), text);
    this.stages.forEach((stage, k) => stage.showScore(scoreAt(this.scores[k], t, jobsAt(stage.take, t).length)));
  }

  #showLists(t) {
    this.list.show(t, this.number);
    if (byId("nodes").firstElementChild.open) this.#showNodes();
  }

  #changed() {
    byId("play").textContent = this.clock.runs ? "Pause" : "Play";
    if (!this.clock.runs) this.#remember();
    this.draw();
  }

  /** The address leads back to this moment and job. */
  #remember() {
    const job = this.number === undefined ? "" : `&job=${this.number}`;
    history.replaceState(null, "", `#t=${this.clock.t.toFixed(1)}${job}`);
  }

  fromHash() {
    const asked = new URLSearchParams(location.hash.slice(1)), t = Number(asked.get("t") ?? NaN), number = Number(asked.get("job") ?? NaN);
    if (this.film.takes.some((take) => take.rowOf.has(number))) this.pick(number);
    if (Number.isFinite(t)) this.clock.seek(t);
  }

  /** Show the life of a job. */
  pick(number) {
    this.number = number;
    this.#lives = this.film.takes.map((_, k) => jobLife(this.film, k, number, (t) => this.clock.seek(t)));
    fill(byId("life-head"), ...jobTitle(this.film, number));
    fill(byId("lives"), ...this.#lives.map((life) => life.root));
    if (!this.clock.runs) this.#remember();
    this.draw();
    this.list.show(this.clock.t, number);
  }

  #showNodes() {
    const { t } = this.clock, { nodes } = this.film.scene;
    fill(byId("node-tables"), ...this.film.takes.map((take, k) => {
      const rows = nodes.map((_, node) => nodeNumbers(this.film, take, node, t)), heads = ["node", "device", ...Object.keys(rows[0])];
      return element("div", { class: "scroll" }, element("table", {}, element("caption", { "--mark": policyVariable(k) }, `${take.policy}, ${t.toFixed(1)} s`),
        element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
        element("tbody", {}, rows.map((row, node) => element("tr", {}, element("th", { scope: "row" }, nodes[node].name),
          [nodes[node].device, ...Object.values(row)].map((value) => element("td", {}, value)))))));
    }));
  }
}

function showTip(text, event) {
  const tip = byId("tip");
  tip.hidden = text === null;
  if (text === null) return;
  tip.textContent = text;
  tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8)}px`;
}

function showHead(film) {
  const { scene } = film;
  byId("title").textContent = `${scene.title}, seed ${scene.seed}`;
  byId("summary").textContent = scene.summary;
  const mark = (kind, colour, text) => element("span", {}, element("span", { class: kind, "--c": colour }), text);
  fill(byId("legend"), ...scene.services.map(({ name }, k) => mark("dot", serviceVariable(k), name)),
    mark("box hollow", "var(--soft)", "waits"), mark("box", "var(--soft)", "is worked on"), mark("box", "var(--weights)", "weights"),
    mark("box", "var(--kv)", "KV"), mark("box", "var(--training)", "training"), mark("box hollow round", "var(--good)", "ends in objective"), mark("box hollow round", "var(--bad)", "ends otherwise"),
    element("span", {}, "link ", SINR_ENDS[0], element("span", { class: "ramp" }), SINR_ENDS[1]));
}

async function start() {
  if (!("DecompressionStream" in globalThis)) {
    byId("summary").textContent = "This page needs a browser from 2023 or later.";
    return;
  }
  const film = await readFilm();
  showHead(film);
  const player = new Player(film);
  player.fromHash();
  globalThis.replay = player; // for the console, and for tests
}

start();
