// Where things are on a map: metres to pixels, nodes as cards, the cloud above.

const MARGIN = 14, LOWEST = 220, CARD_SHARE = 0.56;

/** Distance in m from a node to the nearest other one, the least over all. */
function spacing_m(nodes) {
  let least = Infinity;
  nodes.forEach((a, i) => nodes.slice(i + 1).forEach((b) => { least = Math.min(least, Math.hypot(a.x_m - b.x_m, a.y_m - b.y_m) || Infinity); }));
  return least;
}

/** The map of a scene, so wide and at most so high in pixels. */
export function makeLayout(scene, width, highest) {
  const [width_m, height_m] = scene.area_m;
  const cloudHeight = width < 560 ? 34 : 42, strip = cloudHeight + 26;
  const perMetre = Math.min((width - 2 * MARGIN) / width_m, Math.max(LOWEST - strip, highest - strip - 2 * MARGIN) / Math.max(height_m, 1));
  const left = (width - perMetre * width_m) / 2, height = Math.max(LOWEST, Math.round(strip + 2 * MARGIN + perMetre * height_m));
  const floor = strip + MARGIN + (height - strip - 2 * MARGIN + perMetre * height_m) / 2;
  const toX = (x_m) => left + perMetre * x_m, toY = (y_m) => floor - perMetre * y_m;
  const near = Math.min(spacing_m(scene.nodes) * perMetre, 0.5 * width);
  const cardWidth = Math.max(20, Math.min(104, CARD_SHARE * near)), named = cardWidth >= 54;
  const cardHeight = named ? Math.max(38, 0.6 * cardWidth) : Math.max(15, 0.62 * cardWidth);
  return {
    width, height, perMetre, toX, toY, named, cardWidth, cardHeight,
    area: { x: toX(0), y: toY(height_m), width: perMetre * width_m, height: perMetre * height_m },
    nodes: scene.nodes.map((node) => ({ x: toX(node.x_m), y: toY(node.y_m) })),
    cloud: { x: width / 2, y: MARGIN + cloudHeight / 2, width: Math.min(260, 0.62 * width), height: cloudHeight },
    ueRadius: near > 90 ? 3 : 2.2,
  };
}

/** Pixel of a place that is no UE. */
export const pixelOf = (scene, layout, place) => (place === scene.cloud_place ? layout.cloud : layout.nodes[place]);

/** What of a place a point hits: the index of a node, the cloud's place, null. */
export function placeAt(scene, layout, x, y) {
  const within = (centre, width, height) => Math.abs(x - centre.x) <= width / 2 && Math.abs(y - centre.y) <= height / 2;
  if (within(layout.cloud, layout.cloud.width, layout.cloud.height)) return scene.cloud_place;
  const node = layout.nodes.findIndex((centre) => within(centre, layout.cardWidth, layout.cardHeight));
  return node < 0 ? null : node;
}
