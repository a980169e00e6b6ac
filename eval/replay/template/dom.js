// Elements of the page. What users wrote becomes text here, never markup.

export const byId = (id) => document.getElementById(id);

/** An element with properties (`style` an object of CSS variables, `class` and attributes as they are) and children, text or elements. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) made.style.setProperty(name, value);
    else if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return made;
}

export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat());
}

/** Text of an element, which is left alone where it has not changed: a change costs a layout. */
export function setText(one, text) {
  if (one.textContent !== text) one.textContent = text;
}

/** A list of terms and what they are. */
export function terms(kind, pairs) {
  return element("dl", { class: kind }, pairs.map(([name, text, look = ""]) =>
    element("div", {}, element("dt", {}, name), element("dd", { class: look }, text))));
}

const DASH = "–";

/** A number with three digits that count; a dash for one that is missing. */
export function short(value, unit = "") {
  if (value === null || !Number.isFinite(value)) return DASH;
  if (value === 0) return unit ? `0 ${unit}` : "0";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  const text = size !== 0 && size < 0.001 ? value.toPrecision(2) : value.toFixed(digits);
  return unit ? `${text} ${unit}` : text;
}

/** A time that may be missing, which is stored as -1. */
export const seconds = (value) => (value < 0 ? DASH : value < 1 ? `${short(1000 * value)} ms` : short(value, "s"));

export const percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(0)} %` : DASH);
