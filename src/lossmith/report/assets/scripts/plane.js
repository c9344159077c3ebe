// Distortion against perception; the area of a mark is the time per step.
const planeChart = byId("plane-chart");

function drawPlane() {
  const width = planeChart.clientWidth;
  const height = Math.round(clamp(width * 0.5, 370, 500));
  const [xMetric, yMetric] = [data.metrics[data.plane.x], data.metrics[data.plane.y]];
  const all = data.plane.points.filter(({ x, y }) => x != null && y != null).map((point) => ({ ...point, method: data.methods[point.method] }));
  const points = all.filter(({ method }) => method.kind === "loss" || byId("plane-degraded").checked);
  const missing = data.plane.points.filter(({ x, y }) => x == null || y == null).map((point) => data.methods[point.method].label);
  const note = missing.length ? html("p", { class: "note" }, `Not shown, for a score is infinite or was not measured: ${missing.join(", ")}.`) : null;
  if (!points.length) {
    planeChart.replaceChildren(note ?? html("p", { class: "note" }, "There is nothing to show."));
    return;
  }
  const title = (metric) => `${metric.label}${metric.unit ? ` in ${metric.unit}` : ""}`;
  const xAxis = { ...extent(points.map(({ x }) => x), 0.12), flip: !xMetric.higher, title: `${title(xMetric)}, better →` };
  const yAxis = { ...extent(points.map(({ y }) => y), 0.14), flip: !yMetric.higher, title: `↑ better, ${title(yMetric)}` };
  const chart = frame(width, height, xAxis, yAxis, { left: 64, right: 14, top: 32, bottom: 84 });
  const dearest = Math.max(...all.map(({ method }) => method.milliseconds ?? 0), 1e-9);
  const radius = (milliseconds) => Math.max(4, Math.sqrt(milliseconds / dearest) * (width < 560 ? 14 : 18));
  const letters = width < 560 ? 16 : 30;
  for (const point of points) {
    const words = shorten(point.method.label, letters);
    Object.assign(point, { px: point.x, py: point.y, words, x: chart.x(point.x), y: chart.y(point.y), width: widthOf(words, point.method.kind === "loss" ? "--mono" : "--sans") + 6, height: 17, radius: point.method.milliseconds ? radius(point.method.milliseconds) : 7 });
  }
  placeLabels(points, { left: chart.left + 2, right: chart.right, top: chart.top, bottom: chart.bottom - 2 });
  for (const point of points) drawPlanePoint(chart.root, point, xMetric, yMetric);
  drawSizes(chart.root, radius, dearest, chart.left, height - 20);
  chart.root.setAttribute("role", "img");
  chart.root.setAttribute("aria-label", `${title(yMetric)} against ${title(xMetric)}: ` + points.map((p) => `${p.method.label} ${number(p.px, xMetric.digits)} and ${number(p.py, yMetric.digits)}`).join("; "));
  planeChart.replaceChildren(...[chart.root, note].filter(Boolean));
}

function drawPlanePoint(root, point, xMetric, yMetric) {
  const { method, x, y, radius, box } = point;
  const cost = method.milliseconds ? `, ${significant(method.milliseconds)} ms per step` : "";
  const tip = `${method.label}: ${xMetric.label} ${number(point.px, xMetric.digits)}, ${yMetric.label} ${number(point.py, yMetric.digits)}${cost}`;
  const group = svg("g", { class: method.style }, svg("title", {}, tip));
  if (point.far) group.append(svg("line", { class: "leader", x1: x, y1: y, x2: clamp(x, box.left, box.right), y2: clamp(y, box.top, box.bottom) }));
  group.append(svg("use", { class: "point", href: `#mark-${method.shape}`, x: x - radius, y: y - radius, width: radius * 2, height: radius * 2 }));
  root.append(group);
  root.append(svg("text", { class: `name ${method.kind === "loss" ? "" : "role"}`, x: (box.left + box.right) / 2, y: box.bottom - 4, "text-anchor": "middle" }, point.words, svg("title", {}, tip)));
}

// A key to the sizes: the dearest loss, and a half and a quarter of its time, rounded.
function drawSizes(root, radius, dearest, left, at) {
  if (dearest <= 1e-9) return;
  const sizes = [...new Set([0.25, 0.5, 1].map((share) => Number((dearest * share).toPrecision(1))))].filter((ms) => ms > 0 && ms <= dearest * 1.3);
  const group = svg("g", {});
  group.append(svg("text", { x: left, y: at + 4 }, "time per step, ms"));
  let x = left + 122;
  for (const milliseconds of sizes) {
    const r = radius(milliseconds);
    group.append(svg("circle", { cx: x + r, cy: at, r, fill: "none", stroke: "var(--soft)" }));
    group.append(svg("text", { x: x + 2 * r + 5, y: at + 4 }, significant(milliseconds, 1)));
    x += 2 * r + 14 + 8 * significant(milliseconds, 1).length;
  }
  root.append(group);
}

if (planeChart) {
  byId("plane-degraded").addEventListener("change", drawPlane);
  whenResized(planeChart, drawPlane);
}
