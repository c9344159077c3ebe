// A vertical line over the curves, moved by pointer or arrow keys, and the values under it.
function readable(chart, lines, xAxis, view) {
  const steps = [...new Set(lines.flatMap((line) => line.mean.map(([x]) => x)))].sort((a, b) => a - b);
  const cross = svg("line", { class: "cross", y1: chart.top, y2: chart.bottom, visibility: "hidden" });
  chart.root.append(cross);
  const tip = html("div", { class: "tip", hidden: "" });
  curveChart.append(tip);
  const digits = (value) => (view === "psnr" ? number(value, 2) : significant(value));
  let at = steps.length - 1;

  const show = (index, spoken) => {
    at = clamp(index, 0, steps.length - 1);
    const x = steps[at];
    const place = chart.x(x / xAxis.divisor);
    cross.setAttribute("x1", place);
    cross.setAttribute("x2", place);
    cross.setAttribute("visibility", "visible");
    const found = lines.map((line) => ({ line, value: valueAt(line.mean, x) })).filter(({ value }) => value != null);
    found.sort((a, b) => b.value - a.value);
    const title = `${xAxis.divisor === 1 && xAxis.title === "steps" ? number(x, 0) : significant(x / xAxis.divisor)} ${xAxis.title}`;
    tip.replaceChildren(html("table", {}, html("caption", {}, title), html("tbody", {}, ...found.map(({ line, value }) => {
      const label = html("span", { class: "who" }, mark(line.method), html("span", { class: "expression" }, shorten(line.label, 26)));
      return html("tr", {}, html("th", { scope: "row" }, label), html("td", {}, digits(value)));
    }))));
    tip.hidden = false;
    const right = place > (chart.left + chart.right) / 2;
    tip.style.left = right ? "auto" : `${place + 14}px`;
    tip.style.right = right ? `${curveChart.clientWidth - place + 14}px` : "auto";
    if (spoken) byId("curve-readout").textContent = `${title}: ` + found.map(({ line, value }) => `${line.label} ${digits(value)}`).join(", ");
  };
  const hide = () => {
    tip.hidden = true;
    cross.setAttribute("visibility", "hidden");
  };

  chart.root.addEventListener("pointermove", (event) => {
    const place = event.clientX - chart.root.getBoundingClientRect().left;
    const distance = (x) => Math.abs(chart.x(x / xAxis.divisor) - place);
    show(steps.reduce((best, x, i) => (distance(x) < distance(steps[best]) ? i : best), 0), false);
  });
  chart.root.addEventListener("pointerleave", hide);
  chart.root.addEventListener("blur", hide);
  chart.root.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Escape") hide();
    if (move === undefined) return;
    event.preventDefault();
    show(tip.hidden ? at : at + move, true);
  });
}

// The value of a line at x, between its points; null where it does not reach.
function valueAt(points, x) {
  const after = points.findIndex((point) => point[0] >= x);
  if (after < 0 || (after === 0 && points[0][0] > x)) return null;
  if (points[after][0] === x) return points[after][1];
  const [[x0, y0], [x1, y1]] = [points[after - 1], points[after]];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}

if (curveChart) {
  for (const id of ["curve-view", "curve-loss", "curve-axis"]) byId(id).addEventListener("change", drawCurves);
  whenResized(curveChart, drawCurves);
}
