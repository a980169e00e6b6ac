// Colours of the page's theme, for canvases.

const SINR_LOW_DB = 0, SINR_STEP_DB = 5, SINR_STEPS = 6, SERVICES = 6, POLICIES = 8;
const NAMES = ["ink", "soft", "line", "page", "card", "ground", "street", "street-edge", "spot", "wire", "node", "node-edge", "weights", "kv",
  "training", "down", "good", "bad", "pick"];

export const serviceVariable = (service) => `var(--service-${service % SERVICES})`;
export const policyVariable = (take) => `var(--policy-${take % POLICIES})`;

/** What the theme has, read once and again when it changes. */
export function readColours() {
  const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(`--${name}`).trim();
  const colours = Object.fromEntries(NAMES.map((name) => [name, of(name)]));
  colours.services = Array.from({ length: SERVICES }, (_, k) => of(`service-${k}`));
  colours.policies = Array.from({ length: POLICIES }, (_, k) => of(`policy-${k}`));
  colours.sinr = Array.from({ length: SINR_STEPS }, (_, k) => of(`sinr-${k}`));
  return colours;
}

export const serviceColour = (colours, service) => colours.services[service % SERVICES];

/** Which of the steps of the scale a link has. */
export const sinrStep = (db) => Math.max(0, Math.min(SINR_STEPS - 1, Math.floor((db - SINR_LOW_DB) / SINR_STEP_DB)));

export const SINR_ENDS = [`${SINR_LOW_DB} dB`, `${SINR_LOW_DB + SINR_STEP_DB * (SINR_STEPS - 1)} dB`];
