// Training curves: one color and symbol per loss, thin lines for seeds, a thick one for their mean.
const curveChart = byId("curve-chart");
const hiddenLines = new Set();

const CURVE_NOTES = {
  psnr: "PSNR on crops of the test pictures while training. The beginning may lie below the frame, so that the ends can be told apart.",
  loss: "Values of different losses are not comparable; only the shape of each curve matters.",
  relative: "Each loss divided by its first value, because values of different losses are not comparable.",
  terms: "The weighted terms whose sum is this loss.",
};
const CURVE_TITLES = {
  psnr: "PSNR on test crops, dB",
  loss: "Loss",
  relative: "Loss, relative to its start",
  terms: "Value",
};

function drawCurves() {
  const view = byId("curve-view").value;
  const axis = byId("curve-axis").value;
  const lines = curveLines(view, axis);
  const kind = view === "loss" && divideByStart(lines) ? "relative" : view;
  const hasSeeds = lines.some((line) => line.thin.length);
  const seeds = hasSeeds ? " Thin lines are single seeds, thick lines their mean." : "";
  byId("curve-note").textContent = CURVE_NOTES[kind] + seeds;
  byId("curve-loss-label").hidden = view !== "terms";
  drawCurveLegend(lines);
  const visibleLines = lines.filter((line) => !hiddenLines.has(line.key));
  if (!visibleLines.length) {
    const words = lines.length ? "All lines are hidden." : "Nothing was measured.";
    curveChart.replaceChildren(html("p", { class: "note" }, words));
    return;
  }
  const width = curveChart.clientWidth;
  const hasNames = width > 620;
  const format = view === "psnr" ? (value) => number(value, 2) : significant;
  for (const line of visibleLines) line.end = `${shorten(line.label, 18)} ${format(line.thick.at(-1)[1])}`;
  const nameWidth = Math.max(...visibleLines.map((line) => widthOf(line.end, "--mono")));
  const last = Math.max(...visibleLines.map((line) => line.thick.at(-1)[0]));
  const xAxis = progressAxis(axis, last);
  const yAxis = { ...curveExtent(visibleLines, view, last), title: CURVE_TITLES[kind] };
  const margin = { left: 56, right: hasNames ? nameWidth + 28 : 14, top: 30, bottom: 46 };
  const chart = frame(width, Math.round(clamp(width * 0.46, 260, 430)), xAxis, yAxis, margin);
  const toPixels = ([x, value]) => [chart.x(x / xAxis.divisor), chart.y(value)];
  drawCurveLines(chart, visibleLines, toPixels);
  drawCurveEnds(chart, visibleLines, toPixels, hasNames);
  fill(chart.root, {
    tabindex: "0",
    role: "img",
    "aria-label": `${yAxis.title}, over ${xAxis.title}; the left and right arrow keys read the lines`,
  }, []);
  curveChart.replaceChildren(chart.root);
  addReadout(chart, visibleLines, xAxis, format);
}

function progressAxis(axis, last) {
  let [divisor, title] = [1, "steps"];
  if (axis === "time") {
    if (last > 7200) [divisor, title] = [3600, "hours of training"];
    else if (last > 120) [divisor, title] = [60, "minutes of training"];
    else title = "seconds of training";
  }
  return { low: 0, high: last / divisor || 1, title, divisor };
}

function drawCurveLines(chart, lines, toPixels) {
  const corner = { x: chart.left - 2, y: chart.top - 4 };
  const size = { width: chart.right - chart.left + 4, height: chart.bottom - chart.top + 8 };
  chart.root.append(svg("clipPath", { id: "curve-clip" }, svg("rect", { ...corner, ...size })));
  const layer = svg("g", { "clip-path": "url(#curve-clip)" });
  const path = (points) => "M" + points.map((point) => toPixels(point).map((pixel) => pixel.toFixed(1)).join(" ")).join("L");
  for (const { thin, thick, method, dash } of lines) {
    for (const points of thin) layer.append(svg("path", { class: `line thin ${method.style}`, d: path(points) }));
    layer.append(svg("path", { class: `line ${method.style}`, d: path(thick), "stroke-dasharray": dash }));
  }
  chart.root.append(layer);
}

// The symbol of each loss at the end of its line, a cross if it failed, and its name if there is room.
function drawCurveEnds(chart, lines, toPixels, hasNames) {
  const ends = lines.map((line) => {
    const [x, y] = toPixels(line.thick.at(-1));
    return { ...line, x, at: clamp(y, chart.top, chart.bottom) };
  });
  ends.sort((a, b) => a.at - b.at);
  spread(ends, 16, chart.top - 6, chart.bottom + 4);
  for (const { method, label, end, x, at, y } of ends) {
    const symbol = method.failed
      ? svg("path", { class: "line", d: `M${x - 5} ${at - 5}l10 10m0-10l-10 10` })
      : svg("use", { href: `#mark-${method.shape}`, x: x - 6, y: at - 6, width: 12, height: 12 });
    chart.root.append(svg("g", { class: method.style }, symbol));
    if (!hasNames) continue;
    const leader = `M${x + 8} ${at}L${chart.right + 10} ${y}`;
    const needsLeader = Math.abs(y - at) > 3 || x < chart.right - 2;
    if (needsLeader) chart.root.append(svg("path", { class: "leader", d: leader }));
    const name = svg("text", { class: "name", x: chart.right + 14, y: y + 4 }, end);
    name.append(svg("title", {}, label));
    chart.root.append(name);
  }
}

function drawCurveLegend(lines) {
  const buttons = lines.map((line) => {
    const pressed = String(!hiddenLines.has(line.key));
    const name = html("span", { class: "expression" }, line.label);
    const failure = line.method.failed ? html("small", {}, "(did not finish)") : null;
    const symbol = line.term ? dashOf(line) : mark(line.method);
    return html("button", { type: "button", "aria-pressed": pressed }, symbol, name, failure);
  });
  const items = buttons.map((button) => html("li", {}, button));
  buttons.forEach((button, i) => {
    button.addEventListener("click", () => {
      if (!hiddenLines.delete(lines[i].key)) hiddenLines.add(lines[i].key);
      drawCurves();
      byId("curve-legend").querySelectorAll("button")[i].focus();
    });
  });
  byId("curve-legend").replaceChildren(...items);
}

function dashOf(line) {
  const path = svg("path", { class: "line", d: "M1 5H29", "stroke-dasharray": line.dash });
  return svg("svg", { class: `dash ${line.method.style}`, viewBox: "0 0 30 10", "aria-hidden": "true" }, path);
}
