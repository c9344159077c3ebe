// Training curves: one colour and mark per loss, thin lines for seeds, a thick one for their mean.
const curveChart = byId("curve-chart");
const hiddenLines = new Set();
const DASHES = ["", "7 4", "2 4", "10 3 2 3", "1 3 6 3", "14 4"];

const NOTES = {
  psnr: "PSNR on crops of the test pictures, measured now and then during training. Its beginning may lie below the frame.",
  loss: "Each loss divided by its own first value, for the values of different losses cannot be compared.",
  loss_raw: "The values of different losses cannot be compared with each other; only the shape of a line counts.",
  terms: "The parts that this loss is the sum of, weighted as in the sum.",
};

// The lines to draw: {key, label, method, dash, seeds: [points], mean: points}, in the unit of the x axis.
function curveLines(view, axis) {
  const entries = view === "terms" ? data.curves.filter((e) => e.method === Number(byId("curve-loss").value)) : data.curves;
  return entries.flatMap((entry) => {
    const method = data.methods[entry.method];
    const perStep = axis === "time" ? method.milliseconds / 1000 : 1;
    if (!perStep) return [];
    const names = view === "terms" ? ["loss", ...entry.terms].filter((name) => entry.lines[name]) : [view].filter((name) => entry.lines[name]);
    return names.map((name, i) => {
      const { seeds, mean } = entry.lines[name];
      const stretch = (points) => points.map(([step, value]) => [step * perStep, value]);
      return {
        key: `${view}:${entry.method}:${name}`, method, dash: DASHES[i % DASHES.length], term: view === "terms",
        label: view === "terms" ? (name === "loss" ? "sum" : name) : method.label,
        seeds: mean ? seeds.map(stretch) : [], mean: stretch(mean ?? seeds[0]), others: mean ? [] : seeds.slice(1).map(stretch),
      };
    });
  });
}

// Loss relative to its start, if all values are positive; as it is otherwise.
function relativeToStart(lines) {
  const positive = lines.every((line) => [line.mean, ...line.seeds, ...line.others].every((points) => points.every(([, value]) => value > 0)));
  if (!positive) return false;
  for (const line of lines) {
    const start = line.mean[0][1];
    const relative = (points) => points.map(([x, value]) => [x, value / start]);
    Object.assign(line, { mean: relative(line.mean), seeds: line.seeds.map(relative), others: line.others.map(relative) });
  }
  return true;
}

function drawCurves() {
  const view = byId("curve-view").value;
  const axis = byId("curve-axis").value;
  byId("curve-loss-label").hidden = view !== "terms";
  const lines = curveLines(view, axis);
  const relative = view === "loss" && relativeToStart(lines);
  const several = data.curves.some((entry) => Object.values(entry.lines).some((line) => line.mean));
  byId("curve-note").textContent = NOTES[view === "loss" && !relative ? "loss_raw" : view] + (several ? " Thin lines are single seeds, thick lines their mean." : "");
  drawCurveLegend(lines);
  const shown = lines.filter((line) => !hiddenLines.has(line.key));
  if (!shown.length) {
    curveChart.replaceChildren(html("p", { class: "note" }, lines.length ? "All lines are hidden." : "Nothing was measured."));
    return;
  }
  const width = curveChart.clientWidth;
  const room = width > 620 ? 28 + Math.max(...shown.map((line) => widthOf(shorten(line.label, 18), "--mono"))) : 14;
  const height = Math.round(clamp(width * 0.46, 260, 430));
  const positive = shown.every((line) => line.mean.every(([, value]) => value > 0));
  const last = Math.max(...shown.map((line) => line.mean.at(-1)[0]));
  const xAxis = timeAxis(axis, last);
  const yAxis = { ...curveExtent(shown, view, last, positive), title: curveTitle(view, relative), log: view !== "psnr" && positive };
  const chart = frame(width, height, { ...xAxis, low: xAxis.low }, yAxis, { left: 56, right: room, top: 30, bottom: 46 });
  const clip = `curve-clip`;
  chart.root.append(svg("clipPath", { id: clip }, svg("rect", { x: chart.left - 2, y: chart.top - 4, width: chart.right - chart.left + 4, height: chart.bottom - chart.top + 8 })));
  const layer = svg("g", { "clip-path": `url(#${clip})` });
  const path = (points) => "M" + points.map(([x, value]) => `${chart.x(x / xAxis.divisor).toFixed(1)} ${chart.y(value).toFixed(1)}`).join("L");
  for (const line of shown) {
    for (const points of [...line.seeds, ...line.others]) layer.append(svg("path", { class: `line thin ${line.method.style}`, d: path(points) }));
    layer.append(svg("path", { class: `line ${line.method.style}`, d: path(line.mean), "stroke-dasharray": line.dash }));
  }
  chart.root.append(layer);
  endLabels(chart, shown, xAxis.divisor, width > 620);
  chart.root.setAttribute("tabindex", "0");
  chart.root.setAttribute("role", "img");
  chart.root.setAttribute("aria-label", `${curveTitle(view, relative)} over ${xAxis.title}; arrow keys read the lines`);
  curveChart.replaceChildren(chart.root);
  readable(chart, shown, xAxis, view);
}

function timeAxis(axis, last) {
  if (axis === "steps") return { low: 0, high: last || 1, title: "steps", divisor: 1 };
  const [divisor, title] = last > 7200 ? [3600, "hours of training"] : last > 120 ? [60, "minutes of training"] : [1, "seconds of training"];
  return { low: 0, high: last / divisor || 1, title, divisor };
}

function curveTitle(view, relative) {
  return { psnr: "PSNR on test crops, dB", loss: relative ? "Loss, relative to its start" : "Loss", terms: "Value" }[view];
}

// PSNR begins far below where it is decided, so its first fifth may lie under the frame.
function curveExtent(lines, view, last, positive) {
  const points = lines.flatMap((line) => [line.mean, ...line.seeds, ...line.others].flat());
  const late = points.filter(([x]) => x >= last * 0.2);
  const values = (view === "psnr" && late.length > 1 ? late : points).map(([, value]) => value);
  if (view === "psnr" || !positive) return extent(values, 0.08);
  return { low: Math.min(...values) * 0.93, high: Math.max(...values) * 1.07 };
}

function endLabels(chart, lines, divisor, named) {
  const ends = lines.map((line) => {
    const [x, value] = line.mean.at(-1);
    return { line, x: chart.x(x / divisor), at: clamp(chart.y(value), chart.top, chart.bottom), y: 0 };
  }).sort((a, b) => a.at - b.at);
  spread(ends, 16, chart.top - 6, chart.bottom + 4);
  for (const end of ends) {
    const { method, label } = end.line;
    const group = svg("g", { class: method.style });
    group.append(method.failed ? svg("path", { class: "line", d: `M${end.x - 5} ${end.at - 5}l10 10m0-10l-10 10` }) : svg("use", { href: `#mark-${method.shape}`, x: end.x - 6, y: end.at - 6, width: 12, height: 12 }));
    chart.root.append(group);
    if (!named) continue;
    if (Math.abs(end.y - end.at) > 3 || end.x < chart.right - 2) chart.root.append(svg("path", { class: "leader", fill: "none", d: `M${end.x + 8} ${end.at}L${chart.right + 10} ${end.y}` }));
    chart.root.append(svg("text", { class: "name", x: chart.right + 14, y: end.y + 4 }, shorten(label, 18), svg("title", {}, label)));
  }
}

function drawCurveLegend(lines) {
  byId("curve-legend").replaceChildren(...lines.map((line) => {
    const symbol = line.term ? svg("svg", { class: `dash ${line.method.style}`, viewBox: "0 0 30 10", "aria-hidden": "true" }, svg("path", { class: "line", d: "M1 5H29", "stroke-dasharray": line.dash })) : mark(line.method);
    const button = html("button", { type: "button", "aria-pressed": String(!hiddenLines.has(line.key)) }, symbol, html("span", { class: "expression" }, line.label), line.method.failed ? html("small", {}, "(did not finish)") : null);
    button.addEventListener("click", () => {
      hiddenLines.has(line.key) ? hiddenLines.delete(line.key) : hiddenLines.add(line.key);
      drawCurves();
      [...byId("curve-legend").querySelectorAll("button")][lines.indexOf(line)]?.focus();
    });
    return html("li", {}, button);
  }));
}
