// Fidelity against perception, with the front that no loss beats; the area of a symbol is the time per step.
const planeChart = byId("plane-chart");

function drawPlane() {
  const width = planeChart.clientWidth;
  const height = Math.round(clamp(width * 0.5, 370, 500));
  const metrics = { x: data.metrics[data.plane.x], y: data.metrics[data.plane.y] };
  const methodPoints = data.plane.points.map((point) => ({ ...point, method: data.methods[point.method] }));
  const measuredPoints = methodPoints.filter((point) => isKnown(point.x, point.y));
  const withDegraded = byId("plane-degraded")?.checked;
  const points = measuredPoints.filter(({ method }) => method.kind === "loss" || withDegraded);
  const note = planeNote(methodPoints.filter((point) => !measuredPoints.includes(point)));
  if (!points.length) {
    planeChart.replaceChildren(note ?? html("p", { class: "note" }, "There is nothing to show."));
    return;
  }
  const axis = (name, padding, title) => ({
    ...extent(points.map((point) => point[name]), padding),
    flip: !metrics[name].higher,
    title,
  });
  const xAxis = axis("x", 0.12, `${titleOf(metrics.x)}, better →`);
  const yAxis = axis("y", 0.14, `↑ better, ${titleOf(metrics.y)}`);
  const chart = frame(width, height, xAxis, yAxis, { left: 64, right: 14, top: 32, bottom: 84 });
  const maxTime = Math.max(0, ...measuredPoints.map(({ method }) => method.milliseconds ?? 0));
  const radius = (milliseconds) => Math.max(4, Math.sqrt(milliseconds / maxTime) * (width < 560 ? 14 : 18));
  const spots = points.map((point) => planeSpot(point, chart, metrics, radius, width < 560 ? 16 : 30));
  placeLabels(spots, { left: chart.left + 2, right: chart.right, top: chart.top, bottom: chart.bottom - 2 });
  drawFront(chart.root, spots);
  for (const spot of spots) drawPlaneSpot(chart.root, spot);
  if (maxTime) drawSizes(chart.root, radius, maxTime, chart.left, height - 20);
  const words = `${titleOf(metrics.y)} against ${titleOf(metrics.x)}: ${spots.map(({ tip }) => tip).join("; ")}`;
  fill(chart.root, { role: "img", "aria-label": words }, []);
  planeChart.replaceChildren(...[chart.root, note].filter(Boolean));
}

const titleOf = (metric) => (metric.unit ? `${metric.label} in ${metric.unit}` : metric.label);

function planeNote(missing) {
  if (!missing.length) return null;
  const names = missing.map(({ method }) => method.label).join(", ");
  return html("p", { class: "note" }, `Not shown, because a score is infinite or missing: ${names}.`);
}

function planeSpot({ method, x, y }, chart, metrics, radius, letters) {
  const cost = method.milliseconds;
  const words = shorten(method.label, letters);
  const score = (metric, value) => `${metric.label} ${number(value, metric.digits)}`;
  const scores = `${score(metrics.x, x)}, ${score(metrics.y, y)}`;
  return {
    method,
    words,
    tip: `${method.label}: ${scores}${cost ? `, ${significant(cost)} ms per step` : ""}`,
    x: chart.x(x),
    y: chart.y(y),
    radius: cost ? radius(cost) : 7,
    width: widthOf(words, method.kind === "loss" ? "--mono" : "--sans") + 6,
    height: 17,
  };
}

// The losses that no other beats on both axes, joined.
function drawFront(root, spots) {
  const corners = data.plane.front.map((index) => spots.find(({ method }) => method === data.methods[index]));
  const path = corners.filter(Boolean).map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`);
  if (path.length > 1) root.append(svg("path", { class: "front-line", d: `M${path.join("L")}` }));
}

function drawPlaneSpot(root, { method, words, tip, x, y, radius, box, far }) {
  const group = svg("g", { class: method.style }, svg("title", {}, tip));
  if (far) {
    const end = leaderEnd({ x, y }, box);
    group.append(svg("line", { class: "leader", x1: x, y1: y, x2: end.x, y2: end.y }));
  }
  const bounds = { x: x - radius, y: y - radius, width: 2 * radius, height: 2 * radius };
  group.append(svg("use", { class: "point", href: `#mark-${method.shape}`, ...bounds }));
  const anchor = { x: (box.left + box.right) / 2, y: box.bottom - 4, "text-anchor": "middle" };
  const name = svg("text", { class: method.kind === "loss" ? "name" : "name role", ...anchor }, words);
  name.append(svg("title", {}, tip));
  root.append(group, name);
}

// A key to the sizes: round times near the longest, a half and a quarter of it.
function drawSizes(root, radius, maxTime, left, y) {
  const times = [0.25, 0.5, 1].map((fraction) => Number((maxTime * fraction).toPrecision(1)));
  const group = svg("g", {}, svg("text", { x: left, y: y + 4 }, "time per step, ms"));
  let x = left + 122;
  for (const milliseconds of new Set(times)) {
    const r = radius(milliseconds);
    const text = significant(milliseconds, 1);
    group.append(svg("circle", { cx: x + r, cy: y, r, fill: "none", stroke: "var(--soft)" }));
    group.append(svg("text", { x: x + 2 * r + 5, y: y + 4 }, text));
    x += 2 * r + 14 + 8 * text.length;
  }
  root.append(group);
}

if (planeChart) {
  byId("plane-degraded")?.addEventListener("change", drawPlane);
  whenResized(planeChart, drawPlane);
}
