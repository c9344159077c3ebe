// The lines of the training curves: one of every loss, or the terms of one loss, over steps or over time.
const DASHES = ["", "7 4", "2 4", "10 3 2 3", "1 3 6 3", "14 4"];

// A line is {key, label, method, dash, term, thick: points, thin: [points, ...]}; x is in steps or seconds.
function curveLines(view, axis) {
  const loss = Number(byId("curve-loss").value);
  const entries = view === "terms" ? data.curves.filter((entry) => entry.method === loss) : data.curves;
  return entries.flatMap((entry) => {
    const method = data.methods[entry.method];
    const perStep = axis === "time" ? method.milliseconds / 1000 : 1;
    const candidates = view === "terms" ? ["loss", ...entry.terms] : [view];
    const names = perStep ? candidates.filter((name) => entry.lines[name]) : [];
    return names.map((name, i) => {
      const { seeds, mean } = entry.lines[name];
      const scaleX = (points) => points.map(([step, value]) => [step * perStep, value]);
      return {
        key: `${view}:${entry.method}:${name}`,
        label: view !== "terms" ? method.label : name === "loss" ? "sum" : name,
        method,
        dash: DASHES[i % DASHES.length],
        term: view === "terms",
        thick: scaleX(mean ?? seeds[0]),
        thin: (mean ? seeds : seeds.slice(1)).map(scaleX),
      };
    });
  });
}

const allPoints = (lines) => lines.flatMap((line) => [line.thick, ...line.thin].flat());

// Divides every line by its first value if all values are positive; returns whether it did.
function divideByStart(lines) {
  if (!allPoints(lines).every(([, value]) => value > 0)) return false;
  for (const line of lines) {
    const start = line.thick[0][1];
    const divide = (points) => points.map(([x, value]) => [x, value / start]);
    line.thick = divide(line.thick);
    line.thin = line.thin.map(divide);
  }
  return true;
}

// PSNR starts far below its final values, so its first fifth may lie below the plot.
function curveExtent(lines, view, last) {
  const points = allPoints(lines);
  const latePoints = points.filter(([x]) => x >= last * 0.2);
  const values = (view === "psnr" && latePoints.length > 1 ? latePoints : points).map(([, value]) => value);
  const low = Math.min(...values);
  if (view === "psnr" || low <= 0) return { ...extent(values, 0.08), log: false };
  return { low: low * 0.93, high: Math.max(...values) * 1.07, log: true };
}

// The value of a line at x, interpolated between its points; null outside of them.
function valueAt(points, x) {
  const index = points.findIndex((point) => point[0] >= x);
  if (index < 0 || (index === 0 && points[0][0] > x)) return null;
  if (points[index][0] === x) return points[index][1];
  const [[x0, y0], [x1, y1]] = [points[index - 1], points[index]];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}
