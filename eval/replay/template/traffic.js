// Jobs that move: along a transfer, as tokens on their way to the UE, and at their end.

import { jobsAt, kindOf, lastUntil, legAt, legEnd } from "./moments.js";
import { pixelOf } from "./layout.js";
import { serviceColour } from "./colours.js";
import { line } from "./backdrop.js";

const SHORTEST_FLIGHT_S = 0.45, PULSE_S = 0.7, TAIL = 0.22, TOKEN_DASH = [2, 8], DASH_SPEED = 26;

/** Jobs that live at t, sorted by what they do: what the rest of a map is drawn from. */
export function actionAt(take, t) {
  const resting = new Map(), streams = [], atUe = [], flights = [];
  for (const row of jobsAt(take, t)) {
    const leg = legAt(take, row, t), kind = kindOf(take, leg), place = take.legs.place[leg];
    if (kind === "transfer") flights.push({ row, leg });
    else if (place === -1) atUe.push(row);
    else {
      if (kind === "decode") streams.push({ row, place });
      let here = resting.get(place);
      if (!here) resting.set(place, (here = { waiting: [], working: [] }));
      here[kind === "wait" ? "waiting" : "working"].push(row);
    }
  }
  return { resting, streams, atUe, flights };
}

/** Corners of a leg's way: between a UE and what is not its cell it goes by the cell. */
function wayOf(scene, layout, points, serving, take, row, leg) {
  const ue = take.jobs.ue[row], ends = [take.legs.origin[leg], take.legs.place[leg]];
  const corners = ends.map((place) => (place === scene.ue_place ? points[ue] : pixelOf(scene, layout, place)));
  if (ends.includes(scene.ue_place) && !ends.includes(serving[ue])) corners.splice(1, 0, layout.nodes[serving[ue]]);
  return corners;
}

const distance = (a, b) => Math.hypot(b.x - a.x, b.y - a.y);

/** Point of a way of two or three corners after a share of its length. */
function pointOn([from, ...rest], share) {
  let left = share * rest.reduce((sum, corner, k) => sum + distance(k ? rest[k - 1] : from, corner), 0);
  for (const to of rest) {
    const length = distance(from, to);
    if (left <= length || to === rest.at(-1)) {
      const part = length > 0 ? Math.min(1, left / length) : 1;
      return { x: from.x + part * (to.x - from.x), y: from.y + part * (to.y - from.y) };
    }
    left -= length;
    from = to;
  }
  return from;
}

/** Flights to draw: transfers under way, and short ones for longer than they took, or nobody would see them. */
function flightsAt(take, t, flights, speed) {
  const least_s = SHORTEST_FLIGHT_S * Math.max(1, speed), drawn = [];
  for (let k = lastUntil(take.transferStarts, t); k >= 0 && take.transferStarts[k] > t - least_s; k--) {
    const { row, leg, start_s } = take.transfers[k];
    drawn.push({ row, leg, done: (t - start_s) / Math.max(least_s, legEnd(take, row, leg) - start_s) });
  }
  for (const { row, leg } of flights) {
    const start_s = take.legs.start_s[leg];
    if (start_s <= t - least_s) drawn.push({ row, leg, done: (t - start_s) / (legEnd(take, row, leg) - start_s) });
  }
  return drawn;
}

/** A dot with a tail for each job on its way; `hit` is told where each is. */
export function drawFlights(pen, film, take, layout, colours, t, points, flights, serving, speed, hit) {
  const { scene } = film, size = layout.named ? 4 : 3;
  pen.lineCap = "round";
  for (const { row, leg, done } of flightsAt(take, t, flights, speed)) {
    const way = wayOf(scene, layout, points, serving, take, row, leg);
    const head = pointOn(way, done), middle = pointOn(way, Math.max(0, done - TAIL / 2)), tail = pointOn(way, Math.max(0, done - TAIL));
    pen.strokeStyle = pen.fillStyle = serviceColour(colours, take.jobs.service[row]);
    pen.globalAlpha = 0.4;
    pen.lineWidth = size;
    pen.beginPath();
    line(pen, tail, middle);
    pen.lineTo(head.x, head.y);
    pen.stroke();
    pen.globalAlpha = 1;
    pen.beginPath();
    pen.arc(head.x, head.y, size, 0, 2 * Math.PI);
    pen.fill();
    hit(row, head.x, head.y);
  }
  pen.lineCap = "butt";
}

/** Tokens on their way: dashes from where a job decodes, by its cell, to its UE. */
export function drawStreams(pen, film, take, layout, colours, t, points, streams, serving) {
  const paths = new Map();
  for (const { row, place } of streams) {
    const service = take.jobs.service[row], ue = take.jobs.ue[row], from = pixelOf(film.scene, layout, place);
    let path = paths.get(service);
    if (!path) paths.set(service, (path = new Path2D()));
    path.moveTo(from.x, from.y);
    const cell = layout.nodes[serving[ue]];
    path.lineTo(cell.x, cell.y);
    path.lineTo(points[ue].x, points[ue].y);
  }
  pen.lineWidth = 1.8;
  pen.setLineDash(TOKEN_DASH);
  pen.lineDashOffset = -DASH_SPEED * t;
  for (const [service, path] of paths) {
    pen.strokeStyle = serviceColour(colours, service);
    pen.stroke(path);
  }
  pen.setLineDash([]);
}

/** A ring at each UE whose device works on a job. */
export function drawDevices(pen, take, colours, points, rows, hit) {
  pen.lineWidth = 2;
  for (const row of rows) {
    const { x, y } = points[take.jobs.ue[row]];
    pen.strokeStyle = serviceColour(colours, take.jobs.service[row]);
    pen.beginPath();
    pen.arc(x, y, 5.5, 0, 2 * Math.PI);
    pen.stroke();
    hit(row, x, y);
  }
}

/** What has just ended: green within its objectives, red beyond them or without an answer. */
export function drawEnds(pen, take, colours, t, points, speed) {
  const span_s = PULSE_S * Math.max(1, speed);
  pen.lineWidth = 2;
  for (let k = lastUntil(take.ends, t); k >= 0 && take.ends[k] > t - span_s; k--) {
    const row = take.ended[k], { x, y } = points[take.jobs.ue[row]], age = (t - take.ends[k]) / span_s;
    pen.globalAlpha = 1 - age;
    pen.strokeStyle = take.jobs.slo_met[row] ? colours.good : colours.bad;
    pen.beginPath();
    pen.arc(x, y, 3 + 9 * age, 0, 2 * Math.PI);
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

/** A ring at the UE of the chosen job, over whatever lies there. */
export function drawChosenUe(pen, take, colours, t, points, row) {
  const { jobs } = take;
  if (row === undefined || t < jobs.arrival_s[row] || t > jobs.end_s[row]) return;
  const { x, y } = points[jobs.ue[row]];
  for (const [colour, width] of [[colours.page, 6], [serviceColour(colours, jobs.service[row]), 3]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    pen.arc(x, y, 8, 0, 2 * Math.PI);
    pen.stroke();
  }
}

/** The way of the chosen job. */
export function drawChosen(pen, film, take, layout, colours, t, points, serving, row) {
  const { jobs, legs } = take;
  if (row === undefined || t < jobs.arrival_s[row] || t > jobs.end_s[row]) return;
  const leg = legAt(take, row, t), place = legs.place[leg], ue = points[jobs.ue[row]], cell = layout.nodes[serving[jobs.ue[row]]];
  const way = new Path2D();
  line(way, ue, cell);
  if (place !== film.scene.ue_place) line(way, cell, pixelOf(film.scene, layout, place));
  for (const [colour, width] of [[colours.page, 7], [serviceColour(colours, jobs.service[row]), 3.5]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke(way);
  }
}
