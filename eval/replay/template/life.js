// A job's life under one policy: what it was, its legs and waits in time.

import { element, percent, seconds, short, terms } from "./dom.js";
import { policyVariable, serviceVariable } from "./colours.js";
import { kindOf, legAt, legEnd } from "./moments.js";
import { candidateTable } from "./choices.js";

const MOST_ROWS = 200;
const KINDS = ["wait", "compute", "transfer", "decode"];

export function placeName({ scene }, place) {
  if (place === scene.ue_place) return "UE";
  return place === scene.cloud_place ? "cloud" : scene.nodes[place].name;
}

function outcome({ scene }, { jobs }, row) {
  const phase = scene.phases[jobs.phase[row]];
  if (phase !== "finished") return [phase, "bad"];
  return jobs.slo_met[row] ? ["finished in objective", "good"] : ["finished late", "bad"];
}

function limit(value, objective) {
  if (!(objective > 0)) return [seconds(value), ""];
  return [`${seconds(value)} of ${seconds(objective)}`, value >= 0 && value <= objective ? "good" : "bad"];
}

function facts(film, take, row) {
  const { jobs } = take, service = film.scene.services[jobs.service[row]];
  const whole = service.deadline_s > 0 ? [["time", limit(jobs.end_s[row] - jobs.arrival_s[row], service.deadline_s)[0], jobs.slo_met[row] ? "good" : "bad"]] : [];
  const said = service.kind === "finetune" ? [["progress", percent(jobs.progress[row])]] : [
    ["TTFT", ...limit(jobs.ttft_s[row], service.ttft_slo_s)],
    ["TPOT", ...limit(jobs.tpot_s[row], service.tpot_slo_s)],
    ["prompt", `${jobs.prompt_tokens[row].toFixed(0)} tokens`],
    ["output", `${jobs.output_tokens[row].toFixed(0)} tokens`],
  ];
  return terms("facts", [
    ["ended", ...outcome(film, take, row)],
    ...whole,
    ...said,
    ["reward", short(jobs.worth[row])],
    ...(jobs.retries[row] > 0 ? [["put back", `${jobs.retries[row]} times`]] : []),
  ]);
}

/** All legs as pieces of one bar, the first token as a line. */
function bar(take, row) {
  const { jobs, legs } = take, start_s = jobs.arrival_s[row], span = Math.max(1e-9, jobs.end_s[row] - start_s);
  const share = (time_s) => `${100 * (time_s - start_s) / span}%`;
  const pieces = [];
  for (let leg = legs.first[row]; leg < legs.first[row + 1]; leg++) {
    const kind = kindOf(take, leg), from_s = legs.start_s[leg], to_s = legEnd(take, row, leg);
    pieces.push(element("i", { class: kind, title: `${legs.names[legs.name[leg]]}, ${seconds(to_s - from_s)}`, "--c": `var(--${kind})`,
      "--left": share(from_s), "--width": share(start_s + to_s - from_s) }));
  }
  if (jobs.ttft_s[row] >= 0) pieces.push(element("b", { title: "first token", "--left": share(start_s + jobs.ttft_s[row]) }));
  const head = element("b", { class: "head", hidden: true });
  return { root: element("div", { class: "bar", "aria-hidden": "true" }, pieces, head), head, share };
}

function legRows(film, take, row, onSeek) {
  const { legs, jobs } = take, first = legs.first[row], end = Math.min(legs.first[row + 1], first + MOST_ROWS);
  return Array.from({ length: end - first }, (_, k) => {
    const leg = first + k, from_s = legs.start_s[leg], name = legs.names[legs.name[leg]];
    const where = legs.origin[leg] === legs.place[leg] ? placeName(film, legs.place[leg])
      : `${placeName(film, legs.origin[leg])} → ${placeName(film, legs.place[leg])}`;
    const go = element("button", { type: "button", onclick: () => onSeek(from_s), "aria-label": `Go to ${name}` }, seconds(from_s - jobs.arrival_s[row]));
    const dot = element("span", { class: "box", "--c": `var(--${kindOf(take, leg)})` });
    return element("tr", {}, element("th", { scope: "row" }, dot, name), element("td", { class: "text" }, where), element("td", {}, go),
      element("td", {}, seconds(legEnd(take, row, leg) - from_s)));
  });
}

/** The life of a job under take number `index`, and what marks where it is at a time. */
export function jobLife(film, index, number, onSeek) {
  const take = film.takes[index], row = take.rowOf.get(number), title = element("h3", { "--mark": policyVariable(index) }, take.policy);
  if (row === undefined) return { root: element("article", { class: "life" }, title, element("p", { class: "soft" }, "not recorded")), mark() {} };
  const { root: whole, head, share } = bar(take, row), rows = legRows(film, take, row, onSeek), first = take.legs.first[row];
  const left = take.legs.first[row + 1] - first - rows.length;
  const kinds = element("div", { class: "row kinds" }, KINDS.map((kind) =>
    element("span", {}, element("span", { class: "box", "--c": `var(--${kind})` }), kind)), element("span", {}, "| first token"));
  const table = element("table", {},
    element("caption", {}, `Legs and waits${left > 0 ? `, the first ${rows.length} of ${rows.length + left}` : ""}`),
    element("thead", {}, element("tr", {}, ["what", "where", "after", "took"].map((text, k) => element("th", { scope: "col", class: k === 1 ? "text" : null }, text)))),
    element("tbody", {}, rows));
  const root = element("article", { class: "life" }, title, facts(film, take, row), whole, kinds,
    element("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": `Legs under ${take.policy}` }, table),
    candidateTable(film, take, row));
  const mark = (t) => {
    const lives = take.jobs.arrival_s[row] <= t && t < take.jobs.end_s[row], at = lives ? legAt(take, row, t) - first : -1;
    head.hidden = !lives;
    if (lives) head.style.setProperty("--left", share(t));
    rows.forEach((one, k) => one.classList.toggle("now", k === at));
  };
  return { root, mark };
}

/** What a job is under every policy. */
export function jobTitle({ scene, takes }, number) {
  const take = takes.find((one) => one.rowOf.has(number)), row = take.rowOf.get(number), { jobs } = take;
  const dot = element("span", { class: "dot", "--c": serviceVariable(jobs.service[row]) });
  return [dot, `Job ${number}: ${scene.services[jobs.service[row]].name} of UE ${jobs.ue[row]}, at ${placeName({ scene }, jobs.ingress[row])}, ${jobs.arrival_s[row].toFixed(2)} s`];
}
