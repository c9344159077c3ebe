// A vertical line over the curves, moved by pointer or arrow keys, with the values at it.
function addReadout(chart, lines, xAxis, format) {
  const steps = [...new Set(lines.flatMap((line) => line.thick.map(([x]) => x)))].sort((a, b) => a - b);
  const toPixels = (x) => chart.x(x / xAxis.divisor);
  const cross = svg("line", { class: "cross", y1: chart.top, y2: chart.bottom, visibility: "hidden" });
  const tip = html("div", { class: "tip", hidden: "" });
  chart.root.append(cross);
  curveChart.append(tip);
  let current = steps.length - 1;

  const show = (index, announce) => {
    current = clamp(index, 0, steps.length - 1);
    const x = steps[current];
    const values = lines.map((line) => ({ line, value: valueAt(line.thick, x) }));
    const readings = values.filter(({ value }) => value != null);
    readings.sort((a, b) => b.value - a.value);
    const progress = xAxis.title === "steps" ? number(x, 0) : significant(x / xAxis.divisor);
    const title = `${progress} ${xAxis.title}`;
    const rows = readings.map(({ line, value }) => {
      const name = html("span", { class: "expression" }, shorten(line.label, 26));
      const header = html("span", { class: "who" }, line.term ? dashOf(line) : mark(line.method), name);
      return html("tr", {}, html("th", { scope: "row" }, header), html("td", {}, format(value)));
    });
    tip.replaceChildren(html("table", {}, html("caption", {}, title), html("tbody", {}, ...rows)));
    tip.hidden = false;
    fill(cross, { x1: toPixels(x), x2: toPixels(x), visibility: "visible" }, []);
    const isLeft = toPixels(x) > (chart.left + chart.right) / 2;
    tip.style.left = isLeft ? "auto" : `${toPixels(x) + 14}px`;
    tip.style.right = isLeft ? `${curveChart.clientWidth - toPixels(x) + 14}px` : "auto";
    if (!announce) return;
    const words = readings.map(({ line, value }) => `${line.label} ${format(value)}`);
    byId("curve-readout").textContent = `${title}: ${words.join(", ")}`;
  };
  const hide = () => {
    tip.hidden = true;
    cross.setAttribute("visibility", "hidden");
  };

  chart.root.addEventListener("pointermove", (event) => {
    const pointer = event.clientX - chart.root.getBoundingClientRect().left;
    const distance = (i) => Math.abs(toPixels(steps[i]) - pointer);
    show(steps.reduce((best, _, i) => (distance(i) < distance(best) ? i : best), 0), false);
  });
  chart.root.addEventListener("pointerleave", hide);
  chart.root.addEventListener("blur", hide);
  chart.root.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
    const move = moves[event.key];
    if (event.key === "Escape") hide();
    if (move === undefined) return;
    event.preventDefault();
    show(tip.hidden ? current : current + move, true);
  });
}

if (curveChart) {
  for (const id of ["curve-view", "curve-loss", "curve-axis"]) byId(id).addEventListener("change", drawCurves);
  whenResized(curveChart, drawCurves);
}
