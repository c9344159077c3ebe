// Helpers of all other scripts. All scripts share one module scope.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

// An HTML element; strings among the children become text, never markup.
function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value != null) element.setAttribute(name, value);
  element.append(...children.filter((child) => child != null));
  return element;
}

// The symbol of a method, as in the tables.
function mark(method) {
  const symbol = svg("use", { href: `#mark-${method.shape}` });
  return svg("svg", { class: `mark ${method.style}`, viewBox: "0 0 20 20", "aria-hidden": "true" }, symbol);
}

// The symbol and the name of a method.
function methodLabel(method) {
  const name = html("span", { class: method.kind === "loss" ? "expression" : "role" }, method.label);
  return html("span", { class: "who" }, mark(method), name);
}

// A number as in the tables: fixed digits, a true minus sign, an en dash for a missing value.
function number(value, digits, signed = false) {
  if (value == null || Number.isNaN(value)) return "\u2013";
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return (value < 0 ? "\u2212" : signed ? "+" : "") + text;
}

function significant(value, figures = 3) {
  if (value == null) return "\u2013";
  if (value === 0) return "0";
  return number(value, Math.max(0, figures - 1 - Math.floor(Math.log10(Math.abs(value)))));
}

// About `count` round values in [low, high], and the decimals they need.
function ticks(low, high, count) {
  const span = high - low;
  if (!(span > 0)) return { values: [low], digits: 2 };
  const raw = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.72);
  const values = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) values.push(k * step);
  return { values, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function logTicks(low, high, count) {
  const values = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const factor of [1, 2, 5]) {
      const value = factor * 10 ** power;
      if (value >= low * 0.999 && value <= high * 1.001) values.push(value);
    }
  const powersOfTen = values.filter((value) => Math.abs(Math.log10(value) % 1) < 1e-6);
  if (values.length < 2) return ticks(low, high, count).values;
  return values.length > count * 1.5 && powersOfTen.length > 1 ? powersOfTen : values;
}

// The width of a text in a chart, in pixels.
const ruler = new OffscreenCanvas(1, 1).getContext("2d");
function widthOf(text, family) {
  ruler.font = `12.8px ${getComputedStyle(document.documentElement).getPropertyValue(family)}`;
  return ruler.measureText(text).width;
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const shorten = (text, length) => (text.length > length ? text.slice(0, length - 1) + "\u2026" : text);

// Calls `draw` whenever the width of an element changes.
function whenResized(box, draw) {
  let width = 0;
  new ResizeObserver(() => {
    if (box.clientWidth && box.clientWidth !== width) {
      width = box.clientWidth;
      draw(width);
    }
  }).observe(box);
}
