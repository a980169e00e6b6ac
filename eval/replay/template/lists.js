// Jobs to pick from: those under way, those that policies treat most differently, those that went wrong.

import { byId, element, fill, short } from "./dom.js";
import { serviceVariable } from "./colours.js";
import { jobsAt } from "./moments.js";
import { placeName } from "./life.js";

const MOST = 60;

function numbersUnderWay(film, t) {
  const numbers = new Set(film.takes.flatMap((take) => jobsAt(take, t).map((row) => take.jobs.number[row])));
  return [...numbers].sort((a, b) => b - a);
}

/** Rows of a job under the policies that have it, if it is measured: the end of the episode cuts others, which says nothing of a policy. */
function measuredRows(film, number) {
  const rows = film.takes.filter((take) => take.rowOf.has(number)).map((take) => [take, take.rowOf.get(number)]);
  return rows.filter(([take, row]) => take.jobs.measured[row]);
}

/** Reward of a measured job under the best policy less under the worst. */
function difference(film, number) {
  const worths = measuredRows(film, number).map(([take, row]) => take.jobs.worth[row]);
  return worths.length ? Math.max(...worths) - Math.min(...worths) : 0;
}

function ranked(film, key) {
  const jobs = Array.from(film.takes[0].jobs.number, (number) => [key(number), number]);
  return jobs.filter(([value]) => value > 0).sort((a, b) => b[0] - a[0] || a[1] - b[1]).map(([, number]) => number);
}

function missed(film, number) {
  return measuredRows(film, number).some(([take, row]) => !take.jobs.slo_met[row]) ? 1 : 0;
}

/** The list beside the maps; onPick is told the number of a job. */
export class JobList {
  constructor(film, onPick) {
    this.film = film;
    this.onPick = onPick;
    this.shown = "";
    const kinds = [["now", "under way now"], ...(film.takes.length > 1 ? [["difference", "largest difference in reward"]] : []),
      ["missed", "objective missed"], ["all", "all"]];
    fill(byId("which"), ...kinds.map(([value, text]) => element("option", { value }, text)));
    fill(byId("service"), element("option", { value: "" }, "all services"),
      ...film.scene.services.map(({ name }, k) => element("option", { value: k }, name)));
    for (const id of ["which", "service"]) byId(id).addEventListener("change", () => this.show(this.t, this.number));
    this.fixed = { // worked out when first asked for
      difference: () => ranked(film, (number) => difference(film, number)),
      missed: () => ranked(film, (number) => missed(film, number)),
      all: () => Array.from(film.takes[0].jobs.number),
    };
  }

  #numbers(t) {
    const which = byId("which").value, service = byId("service").value, [{ jobs, rowOf }] = this.film.takes;
    if (typeof this.fixed[which] === "function") this.fixed[which] = this.fixed[which]();
    const numbers = which === "now" ? numbersUnderWay(this.film, t) : this.fixed[which];
    return service === "" ? numbers : numbers.filter((number) => jobs.service[rowOf.get(number)] === Number(service));
  }

  show(t, number) {
    this.t = t;
    this.number = number;
    const numbers = this.#numbers(t), key = `${numbers.slice(0, MOST)} ${number} ${numbers.length}`;
    if (key === this.shown) return;
    this.shown = key;
    const hadFocus = document.activeElement?.dataset?.job;
    fill(byId("list"), ...numbers.slice(0, MOST).map((one) => this.#item(one)));
    if (hadFocus) byId("list").querySelector(`[data-job="${hadFocus}"]`)?.focus();
    byId("more").textContent = numbers.length > MOST ? `and ${numbers.length - MOST} more` : numbers.length ? "" : "none";
  }

  #item(number) {
    const { film } = this, take = film.takes.find((one) => one.rowOf.has(number)), row = take.rowOf.get(number), { jobs } = take;
    const worths = film.takes.map((one) => (one.rowOf.has(number) ? short(one.jobs.worth[one.rowOf.get(number)]) : "–"));
    const dot = element("span", { class: "dot", "--c": serviceVariable(jobs.service[row]) });
    const text = `${number} ${film.scene.services[jobs.service[row]].name}, ${placeName(film, jobs.ingress[row])}`;
    const press = { type: "button", "data-job": number, "aria-pressed": String(number === this.number), onclick: () => this.onPick(number) };
    return element("li", {}, element("button", press, element("span", {}, dot, text), element("span", { class: "end", title: "reward" }, worths.join(" | "))));
  }
}
