// How well a policy has done until a time: the measured jobs that have ended; TTFT of those that finished, as in the metrics.

import { lastUntil } from "./moments.js";
import { percent, seconds, short } from "./dom.js";

/** Running sums over the measured jobs, by their end. */
export function makeScore(film, take) {
  const { jobs } = take, finished = film.scene.phases.indexOf("finished"), rows = take.ended.filter((row) => jobs.measured[row]);
  const answers = (row) => jobs.phase[row] === finished && jobs.ttft_s[row] >= 0;
  const running = (value) => {
    let sum = 0;
    return Float64Array.from(rows, (row) => (sum += value(row)));
  };
  return {
    ends: Float64Array.from(rows, (row) => jobs.end_s[row]),
    met: running((row) => jobs.slo_met[row]),
    worth: running((row) => jobs.worth[row]),
    first: running((row) => (answers(row) ? 1 : 0)),
    ttft_s: running((row) => (answers(row) ? jobs.ttft_s[row] : 0)),
    price_usd: running((row) => jobs.price_usd[row]),
  };
}

/** Figures at t, in words. */
export function scoreAt(score, t, underWay) {
  const k = lastUntil(score.ends, t), count = k + 1, mean = (name) => (k < 0 ? NaN : score[name][k] / count);
  return {
    reward: short(mean("worth")),
    "objectives met": percent(mean("met")),
    TTFT: k < 0 || !score.first[k] ? "–" : seconds(score.ttft_s[k] / score.first[k]),
    "mUSD a job": short(1000 * mean("price_usd")),
    jobs: `${count} ended, ${underWay} under way`,
  };
}
