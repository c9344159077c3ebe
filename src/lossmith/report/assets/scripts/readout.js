// A vertical line over the curves, moved by pointer or arrow keys, and the values under it.
function makeReadable(chart, lines, xAxis, worded) {
  const steps = [...new Set(lines.flatMap((line) => line.thick.map(([x]) => x)))].sort((a, b) => a - b);
  const place = (x) => chart.x(x / xAxis.divisor);
  const cross = svg("line", { class: "cross", y1: chart.top, y2: chart.bottom, visibility: "hidden" });
  const tip = html("div", { class: "tip", hidden: "" });
  chart.root.append(cross);
  curveChart.append(tip);
  let at = steps.length - 1;

  const show = (index, spoken) => {
    at = clamp(index, 0, steps.length - 1);
    const x = steps[at];
    const values = lines.map((line) => ({ line, value: valueAt(line.thick, x) }));
    const found = values.filter(({ value }) => value != null);
    found.sort((a, b) => b.value - a.value);
    const progress = xAxis.title === "steps" ? number(x, 0) : significant(x / xAxis.divisor);
    const title = `${progress} ${xAxis.title}`;
    const rows = found.map(({ line, value }) => {
      const name = html("span", { class: "expression" }, shorten(line.label, 26));
      const who = html("span", { class: "who" }, line.term ? dashOf(line) : mark(line.method), name);
      return html("tr", {}, html("th", { scope: "row" }, who), html("td", {}, worded(value)));
    });
    tip.replaceChildren(html("table", {}, html("caption", {}, title), html("tbody", {}, ...rows)));
    tip.hidden = false;
    fill(cross, { x1: place(x), x2: place(x), visibility: "visible" }, []);
    const before = place(x) > (chart.left + chart.right) / 2;
    tip.style.left = before ? "auto" : `${place(x) + 14}px`;
    tip.style.right = before ? `${curveChart.clientWidth - place(x) + 14}px` : "auto";
    if (!spoken) return;
    const words = found.map(({ line, value }) => `${line.label} ${worded(value)}`);
    byId("curve-readout").textContent = `${title}: ${words.join(", ")}`;
  };
  const hide = () => {
    tip.hidden = true;
    cross.setAttribute("visibility", "hidden");
  };

  chart.root.addEventListener("pointermove", (event) => {
    const pointer = event.clientX - chart.root.getBoundingClientRect().left;
    const distance = (i) => Math.abs(place(steps[i]) - pointer);
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
    show(tip.hidden ? at : at + move, true);
  });
}

if (curveChart) {
  for (const id of ["curve-view", "curve-loss", "curve-axis"]) byId(id).addEventListener("change", drawCurves);
  whenResized(curveChart, drawCurves);
}
