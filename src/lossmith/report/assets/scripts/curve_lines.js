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

// PSNR starts far below its final values and ends close together: its beginning lies below the plot, so that the
// ends, which are what counts, spread over a third of it where they can.
function curveExtent(lines, view, last) {
  const values = allPoints(lines).map(([, value]) => value);
  if (view !== "psnr") {
    const low = Math.min(...values);
    if (low <= 0) return { ...extent(values, 0.08), log: false };
    return { low: low * 0.93, high: Math.max(...values) * 1.07, log: true };
  }
  const ends = lines.flatMap((line) => [line.thick, ...line.thin].map((points) => points.at(-1)[1]));
  const late = allPoints(lines).filter(([x]) => x >= last * 0.2).map(([, value]) => value);
  const [least, most] = [Math.min(...ends), Math.max(...values)];
  const low = Math.max(Math.min(...late, least), least - 2 * Math.max(most - least, 0.1));
  return { ...extent([low, most], 0.08), log: false };
}

// The value of a line at x, interpolated between its points; null outside of them.
function valueAt(points, x) {
  const index = points.findIndex((point) => point[0] >= x);
  if (index < 0 || (index === 0 && points[0][0] > x)) return null;
  if (points[index][0] === x) return points[index][1];
  const [[x0, y0], [x1, y1]] = [points[index - 1], points[index]];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}
