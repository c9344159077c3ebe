// Axes, gridlines, labels and scales, shared by the charts.

// An SVG with two axes. An axis is {low, high, log, flip, title}. Returns {root, x, y, left, right, top, bottom}:
// the element, the scales, and the edges of the plot in pixels.
function frame(width, height, xAxis, yAxis, margin) {
  const area = { left: margin.left, right: width - margin.right, top: margin.top, bottom: height - margin.bottom };
  const x = scale(xAxis, area.left, area.right);
  const y = scale(yAxis, area.bottom, area.top);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height });
  const yTicks = axisTicks(yAxis, Math.max(3, (area.bottom - area.top) / 55));
  const xTicks = axisTicks(xAxis, Math.max(3.2, (area.right - area.left) / 105));
  for (const value of yTicks.values) {
    const position = y(value);
    root.append(svg("line", { class: "grid", x1: area.left, x2: area.right, y1: position, y2: position }));
    root.append(svg("text", { x: area.left - 8, y: position + 4, "text-anchor": "end" }, yTicks.text(value)));
  }
  for (const value of xTicks.values) {
    const position = x(value);
    root.append(svg("line", { class: "grid", x1: position, x2: position, y1: area.top, y2: area.bottom }));
    root.append(svg("text", { x: position, y: area.bottom + 18, "text-anchor": "middle" }, xTicks.text(value)));
  }
  root.append(svg("line", { class: "axis", x1: area.left, x2: area.right, y1: area.bottom, y2: area.bottom }));
  const corner = { x: area.right, y: area.bottom + 38, "text-anchor": "end" };
  root.append(svg("text", { class: "title", ...corner }, xAxis.title));
  root.append(svg("text", { class: "title", x: 0, y: 14 }, yAxis.title));
  return { root, x, y, ...area };
}

// A function from values to pixels between `from` and `to`; `axis.flip` reverses the direction.
function scale(axis, from, to) {
  const transform = axis.log ? Math.log : (value) => value;
  const low = transform(axis.low);
  const span = transform(axis.high) - low || 1;
  return (value) => {
    const fraction = (transform(value) - low) / span;
    return from + (axis.flip ? 1 - fraction : fraction) * (to - from);
  };
}

function axisTicks(axis, count) {
  if (axis.log) return { values: logTicks(axis.low, axis.high, count), text: (value) => significant(value, 1) };
  const { values, digits } = ticks(axis.low, axis.high, count);
  const groupDigits = (value) => number(value, 0).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return { values, text: (value) => (digits ? number(value, digits) : groupDigits(value)) };
}

// The range of the values, widened on both sides by a fraction `padding`; never empty.
function extent(values, padding) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const margin = (high - low) * padding || Math.abs(high) * 0.02 || 1;
  return { low: low - margin, high: high + margin };
}
