// Pairwise differences in one metric, as a table with a plot in it. To the right is better, whatever the metric.
const forest = byId("forest");

// Both directions of every pair in a metric: {first, second, mean, low, high, won}.
function pairsOf(metric) {
  return data.differences.filter((entry) => entry[0] === metric).flatMap(([, first, second, mean, low, high, won]) => [
    { first, second, mean, low, high, won },
    { first: second, second: first, mean: negated(mean), low: negated(high), high: negated(low), won: won == null ? null : 1 - won },
  ]);
}

const negated = (value) => (value == null ? null : -value);

function chosenPairs(metric, reference, higher) {
  const good = (pair) => (pair.mean == null ? -Infinity : higher ? pair.mean : -pair.mean);
  const all = pairsOf(metric);
  if (reference === "all") {
    const kept = all.filter((pair) => good(pair) > 0 || (!(good(pair) < 0) && pair.first < pair.second));
    return kept.sort((a, b) => good(b) - good(a));
  }
  return all.filter((pair) => pair.second === reference).sort((a, b) => good(b) - good(a));
}

function outcomeOf(pair, higher) {
  if (pair.mean == null) return { words: "not measured", sure: false };
  if (pair.low == null || pair.high == null) return { words: pair.mean === 0 ? "equal" : `${pair.mean > 0 === higher ? "better" : "worse"}, how sure is not known`, sure: false };
  if (pair.low <= 0 && pair.high >= 0) return { words: "not distinguishable", sure: false };
  return { words: pair.low > 0 === higher ? "▲ better" : "▼ worse", sure: true };
}

// Ends of the common axis. Rows of the degraded input would flatten all others, so they may reach beyond it.
function forestAxis(pairs, higher) {
  const known = pairs.filter((pair) => pair.mean != null);
  const near = known.filter((pair) => [pair.first, pair.second].every((i) => data.methods[i].kind === "loss"));
  const ends = (near.length ? near : known).flatMap((pair) => [pair.low ?? pair.mean, pair.high ?? pair.mean]);
  return { ...extent([0, ...ends], 0.06), flip: !higher };
}

// The digits of the metric, or more where a difference would look like 0.
function neededDigits(pairs, digits) {
  const sizes = pairs.flatMap(({ low, high }) => (low == null || high == null ? [] : [Math.max(Math.abs(low), Math.abs(high))]));
  const smallest = Math.min(...sizes.filter((size) => size > 0));
  return Number.isFinite(smallest) ? clamp(1 - Math.floor(Math.log10(smallest)), digits, digits + 3) : digits;
}

function drawForest() {
  const index = Number(byId("difference-metric").value);
  const metric = data.metrics[index];
  const chosen = byId("difference-reference").value;
  const reference = chosen === "all" ? "all" : chosen === "best" ? metric.best : Number(chosen);
  const pairs = chosenPairs(index, reference, metric.higher);
  if (!pairs.length) {
    forest.replaceChildren(html("p", { class: "note" }, "There is no other method to compare with."));
    return;
  }
  const axis = forestAxis(pairs, metric.higher);
  const digits = neededDigits(pairs, metric.digits);
  const single = reference !== "all";
  const unit = metric.unit ? `, ${metric.unit}` : "";
  const head = html("tr", {},
    html("th", { scope: "col" }, single ? "Method" : "Pair"),
    html("th", { scope: "col", class: "plot" },
      html("span", { class: "ends" }, html("span", {}, "← worse"), html("span", {}, "better →")),
      html("div", { class: "plot-axis" })),
    html("th", { scope: "col" }, "Difference", html("small", {}, `${metric.label}${unit}`)),
    html("th", { scope: "col" }, "Pictures won"),
    html("th", { scope: "col", class: "outcome" }, single ? `Than ${shorten(data.methods[reference].label, 24)}` : "First of the pair"));
  const rows = pairs.map((pair) => forestRow(pair, metric, single, digits));
  const table = html("table", {}, html("caption", { class: "unseen" }, `Differences in ${metric.label}`), html("thead", {}, head), html("tbody", {}, ...rows));
  forest.replaceChildren(table);
  const box = head.querySelector(".plot-axis");
  const width = Math.max(120, box.clientWidth);
  box.append(forestScale(axis, width));
  rows.forEach((row, i) => row.querySelector(".plot").append(forestPlot(pairs[i], axis, width)));
}

function forestRow(pair, metric, single, digits) {
  const outcome = outcomeOf(pair, metric.higher);
  const names = single ? who(data.methods[pair.first]) : html("span", { class: "pair" }, who(data.methods[pair.first]), html("small", {}, "against"), who(data.methods[pair.second]));
  const ends = pair.low == null || pair.high == null ? "" : `${number(pair.low, digits, true)} to ${number(pair.high, digits, true)}`;
  return html("tr", { class: outcome.sure ? "sure" : "unsure" },
    html("th", { scope: "row" }, names),
    html("td", { class: "plot" }),
    html("td", { class: "size" }, html("span", { class: "mean" }, number(pair.mean, digits, true)), html("small", {}, ends)),
    html("td", { class: "won" }, pair.won == null ? "\u2013" : `${Math.round(pair.won * 100)} %`, html("small", {}, "of pictures")),
    html("td", { class: `outcome ${outcome.sure ? "sure" : "unsure"}` }, outcome.words));
}

function forestScale(axis, width) {
  const place = scale(axis, 0, width);
  const root = svg("svg", { viewBox: `0 0 ${width} 18`, height: 18, "aria-hidden": "true" });
  const { values, digits } = ticks(axis.low, axis.high, width / 80);
  for (const value of values) root.append(svg("text", { x: clamp(place(value), 14, width - 14), y: 14, "text-anchor": "middle" }, value === 0 ? "0" : number(value, digits, true)));
  return root;
}

function forestPlot(pair, axis, width) {
  const place = scale(axis, 0, width);
  const method = data.methods[pair.first];
  const root = svg("svg", { viewBox: `0 0 ${width} 30`, height: 30, "aria-hidden": "true" });
  for (const value of ticks(axis.low, axis.high, width / 80).values) root.append(svg("line", { class: "grid", x1: place(value), x2: place(value), y1: 0, y2: 30 }));
  root.append(svg("line", { class: "zero", x1: place(0), x2: place(0), y1: -8, y2: 38 }));
  if (pair.mean == null) return root;
  const inside = (value) => clamp(place(value), 5, width - 5);
  const group = svg("g", { class: method.style });
  group.append(svg("line", { class: "whisker", x1: inside(pair.low ?? pair.mean), x2: inside(pair.high ?? pair.mean), y1: 15, y2: 15 }));
  const at = place(pair.mean);
  if (at >= 5 && at <= width - 5) {
    group.append(svg("use", { href: `#mark-${method.shape}`, x: at - 8, y: 7, width: 16, height: 16 }));
  } else {
    // beyond the axis: an arrow at the edge, the numbers stand beside it
    const path = at < 5 ? "M0 15l9-6v12z" : `M${width} 15l-9-6v12z`;
    group.append(svg("path", { d: path, fill: "currentColor" }));
  }
  root.append(group);
  return root;
}

if (forest) {
  for (const id of ["difference-metric", "difference-reference"]) byId(id).addEventListener("change", drawForest);
  whenResized(forest, drawForest);
}
