// What of a map stands still, drawn once for a size and a theme.

/** A canvas with ground, hotspots, streets, links and backhauls. */
export function makeBackdrop(scene, layout, colours, ratio) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(layout.width * ratio);
  canvas.height = Math.round(layout.height * ratio);
  const pen = canvas.getContext("2d", { alpha: false });
  pen.scale(ratio, ratio);
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, layout.width, layout.height);
  drawHotspots(pen, scene, layout, colours);
  drawStreets(pen, scene, layout, colours);
  pen.strokeStyle = colours["street-edge"];
  pen.strokeRect(layout.area.x, layout.area.y, layout.area.width, layout.area.height);
  drawWires(pen, scene, layout, colours);
  return canvas;
}

function drawHotspots(pen, scene, layout, colours) {
  pen.save();
  pen.beginPath();
  pen.rect(layout.area.x, layout.area.y, layout.area.width, layout.area.height);
  pen.clip();
  for (const [x_m, y_m] of scene.hotspots) {
    const x = layout.toX(x_m), y = layout.toY(y_m), radius = Math.max(1, layout.perMetre * scene.hotspot_radius_m);
    const glow = pen.createRadialGradient(x, y, 0, x, y, radius);
    glow.addColorStop(0, colours.spot);
    glow.addColorStop(0.75, colours.spot);
    glow.addColorStop(1, `${colours.spot}00`);
    pen.fillStyle = glow;
    pen.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
  }
  pen.restore();
}

function drawStreets(pen, scene, layout, colours) {
  const [across_m, along_m] = scene.streets_m, { area } = layout, wide = Math.max(4, Math.min(12, 9 * layout.perMetre));
  for (const [colour, extra] of [[colours["street-edge"], 2], [colours.street, 0]]) {
    pen.beginPath();
    for (const x_m of across_m) pen.rect(layout.toX(x_m) - (wide + extra) / 2, area.y, wide + extra, area.height);
    for (const y_m of along_m) pen.rect(area.x, layout.toY(y_m) - (wide + extra) / 2, area.width, wide + extra);
    pen.fillStyle = colour;
    pen.fill();
  }
}

function drawWires(pen, scene, layout, colours) {
  pen.strokeStyle = colours.wire;
  pen.lineWidth = 1.5;
  pen.beginPath();
  for (const [i, j] of scene.links) line(pen, layout.nodes[i], layout.nodes[j]);
  pen.stroke();
  pen.lineWidth = 1;
  pen.globalAlpha = Math.min(0.9, 10 / scene.nodes.length);
  pen.setLineDash([1.5, 3.5]);
  pen.beginPath();
  for (const node of layout.nodes) line(pen, node, layout.cloud);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

export function line(pen, from, to) {
  pen.moveTo(from.x, from.y);
  pen.lineTo(to.x, to.y);
}

/** Parts that are down, over the backdrop. */
export function drawBroken(pen, scene, layout, colours, down) {
  if (!down.xn.size && !down.backhaul.size) return;
  pen.strokeStyle = colours.down;
  pen.lineWidth = 2;
  pen.setLineDash([5, 4]);
  pen.beginPath();
  for (const [i, j] of scene.links) if (down.xn.has(`${i}-${j}`)) line(pen, layout.nodes[i], layout.nodes[j]);
  for (const node of down.backhaul) line(pen, layout.nodes[node], layout.cloud);
  pen.stroke();
  pen.setLineDash([]);
}
