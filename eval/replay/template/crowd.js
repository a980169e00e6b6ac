// UEs, their links by SINR, handovers.

import { frameAt, frameCount, placeOfUe, recentHandovers } from "./moments.js";
import { line } from "./backdrop.js";
import { placeAt } from "./layout.js";
import { sinrStep } from "./colours.js";

const FLASH_S = 0.6;

/** Pixels of all UEs at t, into points that are kept. */
export function placeUes(scene, layout, t, points) {
  for (let u = 0; u < points.length; u++) {
    const point = placeOfUe(scene, u, t, points[u]);
    point.x = layout.toX(point.x);
    point.y = layout.toY(point.y);
  }
}

/** A line from each UE to its cell, coloured by SINR. */
export function drawUeLinks(pen, film, take, layout, colours, t, points, serving) {
  const frames = frameCount(film), at = frameAt(film, t);
  const paths = colours.sinr.map(() => new Path2D());
  points.forEach((point, u) => line(paths[sinrStep(take.sinr_db[u * frames + at])], point, layout.nodes[serving[u]]));
  pen.lineWidth = 1;
  pen.globalAlpha = 0.55;
  paths.forEach((path, step) => {
    pen.strokeStyle = colours.sinr[step];
    pen.stroke(path);
  });
  pen.globalAlpha = 1;
}

/** UEs that cards lie over, faint. */
export function drawHiddenUes(pen, scene, layout, colours, points) {
  pen.globalAlpha = 0.4;
  drawUes(pen, layout, colours, points.filter(({ x, y }) => placeAt(scene, layout, x, y) !== null));
  pen.globalAlpha = 1;
}

export function drawUes(pen, layout, colours, points) {
  pen.fillStyle = colours.ink;
  pen.beginPath();
  for (const { x, y } of points) {
    pen.moveTo(x + layout.ueRadius, y);
    pen.arc(x, y, layout.ueRadius, 0, 2 * Math.PI);
  }
  pen.fill();
}

/** For a moment after a handover: a ring at the UE, and the old link dashed. */
export function drawHandovers(pen, scene, layout, colours, t, points) {
  const { handovers } = scene;
  pen.strokeStyle = colours.ink;
  pen.lineWidth = 1;
  for (const k of recentHandovers(scene, t, FLASH_S)) {
    const age = (t - handovers.time_s[k]) / FLASH_S, point = points[handovers.ue[k]], radius = layout.ueRadius + 1 + 6 * age;
    pen.globalAlpha = 0.75 * (1 - age);
    pen.beginPath();
    pen.moveTo(point.x + radius, point.y);
    pen.arc(point.x, point.y, radius, 0, 2 * Math.PI);
    pen.stroke();
    pen.setLineDash([2, 3]);
    pen.beginPath();
    line(pen, point, layout.nodes[handovers.origin[k]]);
    pen.stroke();
    pen.setLineDash([]);
  }
  pen.globalAlpha = 1;
}
