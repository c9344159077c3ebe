// Where words may stand without hiding each other.

// Moves `y` of items sorted by `at` so that they are `gap` apart and stay between low and high.
function spread(items, gap, low, high) {
  items.forEach((item, i) => (item.y = Math.max(item.at, i ? items[i - 1].y + gap : low)));
  let limit = high;
  for (const item of [...items].reverse()) {
    item.y = Math.min(item.y, limit);
    limit = item.y - gap;
  }
}

function overlap(a, b) {
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return Math.max(0, wide) * Math.max(0, high);
}

const around = (x, y, width, height) => ({
  left: x - width / 2,
  right: x + width / 2,
  top: y - height / 2,
  bottom: y + height / 2,
});

// Finds a box of the wanted size for each point {x, y, radius, width, height}: beside it where there is room,
// further away otherwise. Sets `box`, and `far` where a leader is needed. The most crowded point chooses first.
function placeLabels(points, area) {
  const taken = points.map(({ x, y, radius }) => around(x, y, 2 * radius, 2 * radius));
  const nearness = (a, b) => 1 / (20 + Math.hypot(a.x - b.x, a.y - b.y));
  const crowd = (point) => points.reduce((sum, other) => sum + nearness(point, other), 0);
  for (const point of [...points].sort((a, b) => crowd(b) - crowd(a))) {
    let best = { cost: Infinity };
    for (const distance of [4, 14, 28, 44, 64, 90]) {
      for (let turn = 0; turn < 16; turn++) {
        const box = boxAt(point, distance, (turn * Math.PI) / 8);
        const hidden = taken.reduce((sum, other) => sum + overlap(box, other), 0);
        const crossed = distance > 10 ? crossings(point, box, taken) : 0;
        const cost = 4 * hidden + 60 * crossed + 60 * outside(box, area) + 2 * distance + (turn % 8 ? 3 : 0);
        if (cost < best.cost) best = { cost, box, far: distance > 10 };
      }
    }
    Object.assign(point, { box: best.box, far: best.far });
    taken.push(best.box);
  }
}

// How often the leader from a point to its box runs over another mark or label.
function crossings(point, box, taken) {
  const end = leaderEnd(point, box);
  const over = ({ left, right, top, bottom }) =>
    [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9].some((share) => {
      const [x, y] = [point.x + share * (end.x - point.x), point.y + share * (end.y - point.y)];
      return x > left && x < right && y > top && y < bottom;
    });
  const own = ({ left, right, top, bottom }) => left < point.x && right > point.x && top < point.y && bottom > point.y;
  return taken.filter((other) => !own(other) && over(other)).length;
}

const leaderEnd = ({ x, y }, box) => ({ x: clamp(x, box.left, box.right), y: clamp(y, box.top, box.bottom) });

function outside(box, area) {
  const across = Math.max(0, area.left - box.left) + Math.max(0, box.right - area.right);
  return across + Math.max(0, area.top - box.top) + Math.max(0, box.bottom - area.bottom);
}

// The box that touches a ring around the point from outside, in the given direction.
function boxAt({ x, y, radius, width, height }, distance, angle) {
  const reach = radius + distance;
  const cx = x + Math.cos(angle) * (reach + width / 2);
  const cy = y + Math.sin(angle) * (reach + height / 2);
  return around(cx, cy, width, height);
}
