// Which lines the curves show: of every loss, or of the terms of one, over steps or over time.
const DASHES = ["", "7 4", "2 4", "10 3 2 3", "1 3 6 3", "14 4"];

// A line is {key, label, method, dash, term, thick: points, thin: [points, ...]}, its x in steps or in seconds.
function curveLines(view, axis) {
  const loss = Number(byId("curve-loss").value);
  const entries = view === "terms" ? data.curves.filter((entry) => entry.method === loss) : data.curves;
  return entries.flatMap((entry) => {
    const method = data.methods[entry.method];
    const perStep = axis === "time" ? method.milliseconds / 1000 : 1;
    const wanted = view === "terms" ? ["loss", ...entry.terms] : [view];
    const names = perStep ? wanted.filter((name) => entry.lines[name]) : [];
    return names.map((name, i) => {
      const { seeds, mean } = entry.lines[name];
      const stretched = (points) => points.map(([step, value]) => [step * perStep, value]);
      return {
        key: `${view}:${entry.method}:${name}`,
        label: view !== "terms" ? method.label : name === "loss" ? "sum" : name,
        method,
        dash: DASHES[i % DASHES.length],
        term: view === "terms",
        thick: stretched(mean ?? seeds[0]),
        thin: (mean ? seeds : seeds.slice(1)).map(stretched),
      };
    });
  });
}

const allPoints = (lines) => lines.flatMap((line) => [line.thick, ...line.thin].flat());

// Divides every line by its first value, if all values are positive; says whether it did.
function divideByStart(lines) {
  if (!allPoints(lines).every(([, value]) => value > 0)) return false;
  for (const line of lines) {
    const start = line.thick[0][1];
    const divided = (points) => points.map(([x, value]) => [x, value / start]);
    line.thick = divided(line.thick);
    line.thin = line.thin.map(divided);
  }
  return true;
}

// PSNR begins far below where it is decided, so its first fifth may lie under the frame.
function curveExtent(lines, view, last) {
  const points = allPoints(lines);
  const late = points.filter(([x]) => x >= last * 0.2);
  const values = (view === "psnr" && late.length > 1 ? late : points).map(([, value]) => value);
  const low = Math.min(...values);
  if (view === "psnr" || low <= 0) return { ...extent(values, 0.08), log: false };
  return { low: low * 0.93, high: Math.max(...values) * 1.07, log: true };
}

// The value of a line at x, between its points; null where it does not reach.
function valueAt(points, x) {
  const after = points.findIndex((point) => point[0] >= x);
  if (after < 0 || (after === 0 && points[0][0] > x)) return null;
  if (points[after][0] === x) return points[after][1];
  const [[x0, y0], [x1, y1]] = [points[after - 1], points[after]];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}
