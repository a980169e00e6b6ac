// What a policy could choose from for a job, and what came of its choice.

import { element, short } from "./dom.js";

const TIMES = { inference: [["TTFT", "s"], ["TPOT", "ms"]], finetune: [["setup", "s"], ["step", "ms"]] };
const headsOf = (kind) => [["candidate"], ...TIMES[kind], ["price", "mUSD"], ["energy", "J"], ["quality"], ["utility"]];

function figures(of, k, worth) {
  const time = (value, scale) => short(value < 0 ? NaN : scale * value);
  return [time(of.ttft_s[k], 1), time(of.tpot_s[k], 1000), short(1000 * of.price_usd[k]), short(of.energy_j[k]), short(of.quality[k]), short(worth)];
}

function tableRow(name, cells, look) {
  return element("tr", { class: look }, element("th", { scope: "row" }, name), cells.map((text) => element("td", {}, text)));
}

function optionRow({ scene }, { options }, k) {
  const chosen = options.chosen[k] === 1, rank = options.rank[k] < 0 ? "" : `${options.rank[k] + 1}. `;
  const name = `${chosen ? "★ " : ""}${rank}${scene.actions[options.action[k]]}`;
  return tableRow(name, figures(options, k, options.utility[k]), chosen ? "chosen" : "");
}

/** The chosen candidate, those of highest predicted utility and local, of each decision about the job in a row; then what came. */
export function candidateTable(film, take, row) {
  const { decisions, jobs } = take, tables = [], { kind } = film.scene.services[jobs.service[row]];
  const head = () => element("thead", {}, element("tr", {}, headsOf(kind).map(([name, unit]) =>
    element("th", { scope: "col" }, name, unit ? element("small", {}, unit) : []))));
  for (let k = decisions.first[row]; k < decisions.first[row + 1]; k++) {
    const first = decisions.first_option[k], rows = Array.from({ length: decisions.options[k] }, (_, n) => optionRow(film, take, first + n));
    const isLast = k + 1 === decisions.first[row + 1];
    if (isLast) rows.push(tableRow("what came", figures(jobs, row, jobs.worth[row]), "came"));
    const text = `Predicted when ${film.scene.nodes[decisions.node[k]].name} decided, at ${decisions.time_s[k].toFixed(2)} s: ★ chosen, by rank of utility`;
    tables.push(element("table", { class: "candidates" }, element("caption", {}, text), head(), element("tbody", {}, rows)));
  }
  if (!tables.length) return element("p", { class: "soft" }, "No decision about it was carried out.");
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Candidates under ${take.policy}` }, tables);
}
