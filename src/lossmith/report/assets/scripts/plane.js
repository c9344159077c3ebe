// Distortion against perception; the area of a mark is the time per step.
const planeChart = byId("plane-chart");

function drawPlane() {
  const width = planeChart.clientWidth;
  const height = Math.round(clamp(width * 0.5, 370, 500));
  const metrics = { x: data.metrics[data.plane.x], y: data.metrics[data.plane.y] };
  const all = data.plane.points.map((point) => ({ ...point, method: data.methods[point.method] }));
  const measured = all.filter((point) => known(point.x, point.y));
  const degraded = byId("plane-degraded").checked;
  const points = measured.filter(({ method }) => method.kind === "loss" || degraded);
  const note = planeNote(all.filter((point) => !measured.includes(point)));
  if (!points.length) {
    planeChart.replaceChildren(note ?? html("p", { class: "note" }, "There is nothing to show."));
    return;
  }
  const axis = (name, air, title) => ({
    ...extent(points.map((point) => point[name]), air),
    flip: !metrics[name].higher,
    title,
  });
  const xAxis = axis("x", 0.12, `${titled(metrics.x)}, better →`);
  const yAxis = axis("y", 0.14, `↑ better, ${titled(metrics.y)}`);
  const chart = frame(width, height, xAxis, yAxis, { left: 64, right: 14, top: 32, bottom: 84 });
  const dearest = Math.max(0, ...measured.map(({ method }) => method.milliseconds ?? 0));
  const radius = (milliseconds) => Math.max(4, Math.sqrt(milliseconds / dearest) * (width < 560 ? 14 : 18));
  const spots = points.map((point) => planeSpot(point, chart, metrics, radius, width < 560 ? 16 : 30));
  placeLabels(spots, { left: chart.left + 2, right: chart.right, top: chart.top, bottom: chart.bottom - 2 });
  for (const spot of spots) drawPlaneSpot(chart.root, spot);
  if (dearest) drawSizes(chart.root, radius, dearest, chart.left, height - 20);
  const words = `${titled(metrics.y)} against ${titled(metrics.x)}: ${spots.map(({ tip }) => tip).join("; ")}`;
  fill(chart.root, { role: "img", "aria-label": words }, []);
  planeChart.replaceChildren(...[chart.root, note].filter(Boolean));
}

const titled = (metric) => (metric.unit ? `${metric.label} in ${metric.unit}` : metric.label);

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

function drawPlaneSpot(root, { method, words, tip, x, y, radius, box, far }) {
  const group = svg("g", { class: method.style }, svg("title", {}, tip));
  if (far) {
    const end = leaderEnd({ x, y }, box);
    group.append(svg("line", { class: "leader", x1: x, y1: y, x2: end.x, y2: end.y }));
  }
  const place = { x: x - radius, y: y - radius, width: 2 * radius, height: 2 * radius };
  group.append(svg("use", { class: "point", href: `#mark-${method.shape}`, ...place }));
  const middle = { x: (box.left + box.right) / 2, y: box.bottom - 4, "text-anchor": "middle" };
  const name = svg("text", { class: method.kind === "loss" ? "name" : "name role", ...middle }, words);
  name.append(svg("title", {}, tip));
  root.append(group, name);
}

// A key to the sizes: round times near the dearest, a half and a quarter of it.
function drawSizes(root, radius, dearest, left, at) {
  const times = [0.25, 0.5, 1].map((share) => Number((dearest * share).toPrecision(1)));
  const group = svg("g", {}, svg("text", { x: left, y: at + 4 }, "time per step, ms"));
  let x = left + 122;
  for (const milliseconds of new Set(times)) {
    const r = radius(milliseconds);
    const text = significant(milliseconds, 1);
    group.append(svg("circle", { cx: x + r, cy: at, r, fill: "none", stroke: "var(--soft)" }));
    group.append(svg("text", { x: x + 2 * r + 5, y: at + 4 }, text));
    x += 2 * r + 14 + 8 * text.length;
  }
  root.append(group);
}

if (planeChart) {
  byId("plane-degraded").addEventListener("change", drawPlane);
  whenResized(planeChart, drawPlane);
}
