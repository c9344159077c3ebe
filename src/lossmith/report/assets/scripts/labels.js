// Positions of labels that do not overlap.

// Sets `y` of items sorted by `at`, so that they are at least `gap` apart and between low and high.
function spread(items, gap, low, high) {
  items.forEach((item, i) => (item.y = Math.max(item.at, i ? items[i - 1].y + gap : low)));
  let limit = high;
  for (const item of [...items].reverse()) {
    item.y = Math.min(item.y, limit);
    limit = item.y - gap;
  }
}

function overlap(a, b) {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return Math.max(0, width) * Math.max(0, height);
}

const boxAround = (x, y, width, height) => ({
  left: x - width / 2,
  right: x + width / 2,
  top: y - height / 2,
  bottom: y + height / 2,
});

// Finds a box for the label of each point {x, y, radius, width, height}: beside it if there is room, further away
// otherwise. Sets `box`, and `far` if a leader is needed. The most crowded point is placed first.
function placeLabels(points, area) {
  const obstacles = points.map(({ x, y, radius }) => boxAround(x, y, 2 * radius, 2 * radius));
  const proximity = (a, b) => 1 / (20 + Math.hypot(a.x - b.x, a.y - b.y));
  const crowding = (point) => points.reduce((sum, other) => sum + proximity(point, other), 0);
  for (const point of [...points].sort((a, b) => crowding(b) - crowding(a))) {
    let best = { cost: Infinity };
    for (const distance of [4, 14, 28, 44, 64, 90]) {
      for (let turn = 0; turn < 16; turn++) {
        const box = boxAt(point, distance, (turn * Math.PI) / 8);
        const overlapArea = obstacles.reduce((sum, other) => sum + overlap(box, other), 0);
        const crossingCount = distance > 10 ? crossings(point, box, obstacles) : 0;
        const cost = 4 * overlapArea + 60 * crossingCount + 60 * overhang(box, area) + 2 * distance + (turn % 8 ? 3 : 0);
        if (cost < best.cost) best = { cost, box, far: distance > 10 };
      }
    }
    Object.assign(point, { box: best.box, far: best.far });
    obstacles.push(best.box);
  }
}

// How many other symbols and labels the leader from a point to its box crosses.
function crossings(point, box, obstacles) {
  const end = leaderEnd(point, box);
  const isCrossed = ({ left, right, top, bottom }) =>
    [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9].some((fraction) => {
      const [x, y] = [point.x + fraction * (end.x - point.x), point.y + fraction * (end.y - point.y)];
      return x > left && x < right && y > top && y < bottom;
    });
  const holdsPoint = ({ left, right, top, bottom }) => left < point.x && right > point.x && top < point.y && bottom > point.y;
  return obstacles.filter((other) => !holdsPoint(other) && isCrossed(other)).length;
}

const leaderEnd = ({ x, y }, box) => ({ x: clamp(x, box.left, box.right), y: clamp(y, box.top, box.bottom) });

// How far a box sticks out of the area, in pixels.
function overhang(box, area) {
  const horizontal = Math.max(0, area.left - box.left) + Math.max(0, box.right - area.right);
  return horizontal + Math.max(0, area.top - box.top) + Math.max(0, box.bottom - area.bottom);
}

// The box that touches a circle around the point from outside, in the given direction.
function boxAt({ x, y, radius, width, height }, distance, angle) {
  const reach = radius + distance;
  const cx = x + Math.cos(angle) * (reach + width / 2);
  const cy = y + Math.sin(angle) * (reach + height / 2);
  return boxAround(cx, cy, width, height);
}
