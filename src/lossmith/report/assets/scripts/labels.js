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

const overlap = (a, b) => Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) * Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));

// Finds a box of the wanted size for each point {x, y, radius, width, height}: beside it where there is room,
// further away otherwise. Sets `box`, and `far` where a leader is needed.
function placeLabels(points, area) {
  const taken = points.map(({ x, y, radius }) => ({ left: x - radius, right: x + radius, top: y - radius, bottom: y + radius }));
  const crowd = (point) => points.reduce((sum, other) => sum + 1 / (20 + Math.hypot(point.x - other.x, point.y - other.y)), 0);
  for (const point of [...points].sort((a, b) => crowd(b) - crowd(a))) {
    let best = null;
    for (const distance of [4, 14, 28, 44, 64, 90])
      for (let turn = 0; turn < 16; turn++) {
        const box = boxAt(point, distance, (turn * Math.PI) / 8);
        const outside = Math.max(0, area.left - box.left) + Math.max(0, box.right - area.right) + Math.max(0, area.top - box.top) + Math.max(0, box.bottom - area.bottom);
        const cost = taken.reduce((sum, other) => sum + overlap(box, other), 0) * 4 + outside * 60 + distance * 2 + (turn % 8 ? 3 : 0);
        if (!best || cost < best.cost) best = { cost, box, far: distance > 10 };
      }
    point.box = best.box;
    point.far = best.far;
    taken.push(best.box);
  }
}

// The box that touches a ring around the point from outside, in the given direction.
function boxAt({ x, y, radius, width, height }, distance, angle) {
  const reach = radius + distance;
  const cx = x + Math.cos(angle) * (reach + width / 2);
  const cy = y + Math.sin(angle) * (reach + height / 2);
  return { left: cx - width / 2, right: cx + width / 2, top: cy - height / 2, bottom: cy + height / 2 };
}
