// Nodes and the cloud as cards: jobs that wait, jobs that are worked on, memory.

import { frameAt, frameCount, lastUntil } from "./moments.js";
import { serviceColour } from "./colours.js";

const FEWEST_CELLS = 12;

/** All cards of a map. `hit` is told where each job is; `chosen` is the row of the chosen one. */
export function drawServers(pen, film, take, layout, colours, t, resting, down, chosen, hit) {
  const cells = (place) => resting.get(place) ?? { waiting: [], working: [] };
  film.scene.nodes.forEach((_, node) =>
    drawNode(pen, film, take, layout, colours, t, node, cells(node), down.node.has(node), chosen, hit));
  drawCloud(pen, film, take, layout, colours, t, cells(film.scene.cloud_place), down.cloud, chosen, hit);
}

function frame(pen, colours, x, y, width, height, isDown) {
  pen.fillStyle = colours.node;
  pen.strokeStyle = isDown ? colours.down : colours["node-edge"];
  pen.lineWidth = isDown ? 2.5 : 1.2;
  pen.beginPath();
  pen.roundRect(x, y, width, height, Math.min(6, height / 4));
  pen.fill();
  pen.stroke();
}

function cross(pen, colours, x, y, width, height) {
  pen.strokeStyle = colours.down;
  pen.lineWidth = 3;
  pen.beginPath();
  pen.moveTo(x + 5, y + 4);
  pen.lineTo(x + width - 5, y + height - 4);
  pen.moveTo(x + width - 5, y + 4);
  pen.lineTo(x + 5, y + height - 4);
  pen.stroke();
}

function label(pen, colours, text, x, y, colour = colours.ink, align = "left") {
  pen.fillStyle = colour;
  pen.textAlign = align;
  pen.fillText(text, x, y);
}

/** Jobs in a row, as long as there are of them: hollow while they wait. */
function drawCells(pen, take, colours, rows, x, y, width, height, hollow, chosen, hit) {
  pen.fillStyle = colours.card;
  pen.fillRect(x, y, width, height);
  const step = width / Math.max(FEWEST_CELLS, rows.length), gap = step > 4 ? 1.2 : step > 2 ? 0.5 : 0;
  rows.forEach((row, k) => {
    const left = x + k * step, wide = step - gap, colour = serviceColour(colours, take.jobs.service[row]);
    if (hollow && wide > 3) {
      pen.strokeStyle = colour;
      pen.lineWidth = 1.2;
      pen.strokeRect(left + 0.6, y + 0.6, wide - 1.2, height - 1.2);
    } else {
      pen.globalAlpha = hollow ? 0.5 : 1;
      pen.fillStyle = colour;
      pen.fillRect(left, y, wide, height);
      pen.globalAlpha = 1;
    }
    if (row === chosen) {
      pen.strokeStyle = colours.pick;
      pen.lineWidth = 2;
      pen.strokeRect(left - 1.5, y - 1.5, wide + 3, height + 3);
    }
    hit(row, left + wide / 2, y + height / 2);
  });
}

function drawMemory(pen, film, take, colours, node, at, x, y, width, height) {
  const { frames } = take, parts = film.scene.memory_parts, k = node * frameCount(film) + at;
  pen.fillStyle = colours.line;
  pen.fillRect(x, y, width, height);
  let left = x;
  for (const [name, colour] of [["weight_bytes", "weights"], ["kv_bytes", "kv"], ["training_bytes", "training"]]) {
    const wide = Math.min(width * frames[name][k] / parts, x + width - left);
    pen.fillStyle = colours[colour];
    pen.fillRect(left, y, wide, height);
    left += wide;
  }
}

/** Share of the load under way at a node that is done; null: none is. */
function loadAt(take, node, t) {
  const { loads } = take;
  for (let k = lastUntil(loads.start_s, t); k >= 0; k--) {
    if (loads.node[k] === node && t < loads.end_s[k]) return (t - loads.start_s[k]) / (loads.end_s[k] - loads.start_s[k]);
  }
  return null;
}

function drawNode(pen, film, take, layout, colours, t, node, cells, isDown, chosen, hit) {
  const { cardWidth: width, cardHeight: height, named } = layout, centre = layout.nodes[node];
  const x = centre.x - width / 2, y = centre.y - height / 2, inset = named ? 5 : 3, at = frameAt(film, t);
  frame(pen, colours, x, y, width, height, isDown);
  const top = named ? y + 15 : y + inset, room = y + height - inset - top, high = (room - 2 * (named ? 3 : 1.5)) / 3, step = room / 3 + 0.5;
  if (named) {
    pen.font = "600 10.5px system-ui, sans-serif";
    const doing = loadAt(take, node, t), { name, device } = film.scene.nodes[node];
    label(pen, colours, width > (doing === null ? 84 : 96) ? name : String(node), x + inset, y + 11);
    pen.font = "9.5px system-ui, sans-serif";
    const text = doing === null ? device.split("-").slice(0, width > 84 ? 1 : 0).join("-") : `${width > 70 ? "load " : ""}${Math.round(100 * doing)} %`;
    label(pen, colours, text, x + width - inset, y + 11, doing === null ? colours.soft : colours.ink, "right");
  }
  const inner = width - 2 * inset;
  drawCells(pen, take, colours, cells.waiting, x + inset, top, inner, high, true, chosen, hit);
  drawCells(pen, take, colours, cells.working, x + inset, top + step, inner, high, false, chosen, hit);
  drawMemory(pen, film, take, colours, node, at, x + inset, top + 2 * step, inner, high);
  if (isDown) cross(pen, colours, x, y, width, height);
}

function drawCloud(pen, film, take, layout, colours, t, cells, isDown, chosen, hit) {
  const { cloud } = layout, { device, places } = film.scene.cloud, x = cloud.x - cloud.width / 2, y = cloud.y - cloud.height / 2;
  frame(pen, colours, x, y, cloud.width, cloud.height, isDown);
  pen.font = "600 10.5px system-ui, sans-serif";
  label(pen, colours, "cloud", x + 8, y + 13);
  pen.font = "9.5px system-ui, sans-serif";
  const running = take.frames.cloud_running[frameAt(film, t)];
  label(pen, colours, `${device}, ${running} of ${places} places`, x + cloud.width - 8, y + 13, colours.soft, "right");
  const high = (cloud.height - 24) / 2 - 1, inner = cloud.width - 16;
  drawCells(pen, take, colours, cells.waiting, x + 8, y + 18, inner, high, true, chosen, hit);
  drawCells(pen, take, colours, cells.working, x + 8, y + 20 + high, inner, high, false, chosen, hit);
  if (isDown) cross(pen, colours, x, y, cloud.width, cloud.height);
}
