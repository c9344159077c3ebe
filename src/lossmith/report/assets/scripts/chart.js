// A frame with two axes, gridlines and labels: what the curves and the plane have in common.

// axis: {low, high, log, flip, title, unit}; returns {svg, plot, x, y, left, right, top, bottom}.
function frame(width, height, xAxis, yAxis, margin) {
  const area = { left: margin.left, right: width - margin.right, top: margin.top, bottom: height - margin.bottom };
  const x = scale(xAxis, area.left, area.right);
  const y = scale(yAxis, area.bottom, area.top);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height });
  const yTicks = axisTicks(yAxis, Math.max(3, (area.bottom - area.top) / 55));
  const xTicks = axisTicks(xAxis, Math.max(3.2, (area.right - area.left) / 105));
  for (const value of yTicks.values) {
    const at = y(value);
    root.append(svg("line", { class: "grid", x1: area.left, x2: area.right, y1: at, y2: at }));
    root.append(svg("text", { x: area.left - 8, y: at + 4, "text-anchor": "end" }, yTicks.text(value)));
  }
  for (const value of xTicks.values) {
    const at = x(value);
    root.append(svg("line", { class: "grid", x1: at, x2: at, y1: area.top, y2: area.bottom }));
    root.append(svg("text", { x: at, y: area.bottom + 18, "text-anchor": "middle" }, xTicks.text(value)));
  }
  root.append(svg("line", { class: "axis", x1: area.left, x2: area.right, y1: area.bottom, y2: area.bottom }));
  const below = { x: area.right, y: area.bottom + 38, "text-anchor": "end" };
  root.append(svg("text", { class: "title", ...below }, xAxis.title));
  root.append(svg("text", { class: "title", x: 0, y: 14 }, yAxis.title));
  return { root, x, y, ...area };
}

// Maps values to places between `from` and `to`; `flip` puts small values where large ones would be.
function scale(axis, from, to) {
  const place = axis.log ? Math.log : (value) => value;
  const low = place(axis.low);
  const span = place(axis.high) - low || 1;
  return (value) => {
    const share = (place(value) - low) / span;
    return from + (axis.flip ? 1 - share : share) * (to - from);
  };
}

function axisTicks(axis, count) {
  if (axis.log) return { values: logTicks(axis.low, axis.high, count), text: (value) => significant(value, 1) };
  const { values, digits } = ticks(axis.low, axis.high, count);
  const grouped = (value) => number(value, 0).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return { values, text: (value) => (digits ? number(value, digits) : grouped(value)) };
}

// The room between the smallest and largest value, with some air; never empty.
function extent(values, air) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const pad = (high - low) * air || Math.abs(high) * 0.02 || 1;
  return { low: low - pad, high: high + pad };
}
