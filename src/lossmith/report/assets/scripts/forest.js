// Pairwise differences in one metric, as a table with a forest plot; better is to the right for every metric.
const forest = byId("forest");

function drawForest() {
  const index = Number(byId("difference-metric").value);
  const metric = data.metrics[index];
  const choice = byId("difference-reference").value;
  const reference = choice === "all" ? "all" : choice === "best" ? metric.best : Number(choice);
  const pairs = selectPairs(index, reference);
  if (!pairs.length) {
    forest.replaceChildren(html("p", { class: "note" }, "There is no other one to compare with."));
    byId("forest-note").textContent = "";
    return;
  }
  const digits = neededDigits(pairs, metric.digits);
  const rows = pairs.map((pair) => forestRow(pair, metric, reference !== "all", digits));
  const head = forestHead(metric, reference);
  const caption = html("caption", { class: "unseen" }, `Differences in ${metric.label}`);
  forest.replaceChildren(html("table", {}, caption, html("thead", {}, head), html("tbody", {}, ...rows)));
  const box = head.querySelector(".plot-axis");
  const width = Math.max(120, box.clientWidth);
  const axis = forestAxis(pairs, metric);
  box.append(forestScale(axis, width));
  rows.forEach((row, i) => row.querySelector(".plot").append(forestPlot(pairs[i], metric, axis, width)));
  byId("forest-note").textContent = forestNote(metric);
}

// How sure the intervals are, one by one and together, and how wide the band is.
function forestNote({ margin, unit, label, confidence, goal }) {
  const each = `Each interval holds the true difference with ${Number(confidence.toFixed(2))} %`;
  const together = confidence > 95 ? ", so that all pairs are right together with 95 %." : ".";
  if (!margin) return each + together;
  const width = goal ? "one margin on average over the goal's metrics" : `${Number(margin.toPrecision(3))} ${unit || `in ${label}`}`;
  return `${each}${together} The band is ${width}, to each side.`;
}

function forestHead(metric, reference) {
  const column = (name, ...content) => html("th", { scope: "col", class: name }, ...content);
  const ends = html("span", { class: "ends" }, html("span", {}, "← worse"), html("span", {}, "better →"));
  const unit = html("small", {}, metric.unit ? `${metric.label}, ${metric.unit}` : metric.label);
  const all = reference === "all";
  return html("tr", {},
    column("", all ? "Pair" : "Name"),
    column("plot", ends, html("div", { class: "plot-axis" })),
    column("size", "Difference", unit),
    column("won", "Pictures won"),
    column("outcome", all ? "First of the pair" : `Than ${shorten(data.methods[reference].label, 24)}`));
}

function forestRow(pair, metric, hasReference, digits) {
  const kind = isKnown(pair.low, pair.high) ? pair.outcome : "undecided";
  const [first, second] = [methodLabel(data.methods[pair.first]), methodLabel(data.methods[pair.second])];
  const names = hasReference ? first : html("span", { class: "pair" }, first, html("small", {}, "against"), second);
  const format = (value) => number(value, digits, true);
  const interval = isKnown(pair.low, pair.high) ? `${format(pair.low)} to ${format(pair.high)}` : "";
  const winRate = isKnown(pair.won) ? `${Math.round(pair.won * 100)} %` : "\u2013";
  return html("tr", { class: kind },
    html("th", { scope: "row" }, names),
    html("td", { class: "plot" }),
    html("td", { class: "size" }, html("span", { class: "mean" }, format(pair.mean)), html("small", {}, interval)),
    html("td", { class: "won" }, winRate, html("small", {}, "of pictures")),
    html("td", { class: `outcome ${kind}` }, outcomeWords(pair, metric.higher)));
}

function forestScale(axis, width) {
  const toX = scale(axis, 0, width);
  const root = svg("svg", { viewBox: `0 0 ${width} 18`, height: 18, "aria-hidden": "true" });
  const { values, digits } = ticks(axis.low, axis.high, width / 80);
  for (const value of values) {
    const text = value === 0 ? "0" : number(value, digits, true);
    root.append(svg("text", { x: clamp(toX(value), 14, width - 14), y: 14, "text-anchor": "middle" }, text));
  }
  return root;
}

function forestPlot({ first, mean, low, high }, { margin }, axis, width) {
  const toX = scale(axis, 0, width);
  const method = data.methods[first];
  const root = svg("svg", { viewBox: `0 0 ${width} 30`, height: 30, "aria-hidden": "true" });
  if (margin) {
    const [left, right] = [toX(-margin), toX(margin)].sort((a, b) => a - b);
    root.append(svg("rect", { class: "margin", x: left, width: right - left, y: -60, height: 150 }));
  }
  for (const value of ticks(axis.low, axis.high, width / 80).values) {
    root.append(svg("line", { class: "grid", x1: toX(value), x2: toX(value), y1: -60, y2: 90 }));
  }
  root.append(svg("line", { class: "zero", x1: toX(0), x2: toX(0), y1: -60, y2: 90 }));
  if (!isKnown(mean)) return root;
  const clampX = (value) => clamp(toX(value), 5, width - 5);
  const whisker = { x1: clampX(low ?? mean), x2: clampX(high ?? mean), y1: 15, y2: 15 };
  const center = toX(mean);
  // a mean beyond the axis is an arrow at its end; the numbers stand beside it
  const arrow = center < 5 ? "M0 15l9-6v12z" : center > width - 5 ? `M${width} 15l-9-6v12z` : null;
  const symbol = arrow
    ? svg("path", { d: arrow, fill: "currentColor" })
    : svg("use", { href: `#mark-${method.shape}`, x: center - 8, y: 7, width: 16, height: 16 });
  root.append(svg("g", { class: method.style }, svg("line", { class: "whisker", ...whisker }), symbol));
  return root;
}

if (forest) {
  for (const id of ["difference-metric", "difference-reference"]) byId(id).addEventListener("change", drawForest);
  whenResized(forest, drawForest);
}
