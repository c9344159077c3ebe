// Close-ups of the same place in every version, moved and zoomed together.
function setUpCrops(comparison, images, errorMaps, size) {
  const tiles = [...comparison.querySelectorAll(".crop")];
  const grid = comparison.querySelector(".crops");
  const zoom = comparison.querySelector(".zoom");
  const what = comparison.querySelector(".what");
  const spots = [...comparison.querySelectorAll(".spot")];
  const view = { x: size.width / 2, y: size.height / 2, zoom: 3 };

  // Source pixels across a tile, and the top left one, kept inside the image where it is large enough.
  const windowOf = () => {
    const across = tiles[0].clientWidth / view.zoom;
    const inside = (center, length) => {
      if (across >= length) return (length - across) / 2;
      return clamp(center - across / 2, 0, length - across);
    };
    return { left: inside(view.x, size.width), top: inside(view.y, size.height), across };
  };

  const draw = () => {
    const { left, top, across } = windowOf();
    if (!across) return;
    view.x = left + across / 2;
    view.y = top + across / 2;
    for (const tile of tiles) {
      const canvas = tile.firstElementChild;
      const side = Math.round(tile.clientWidth * devicePixelRatio);
      if (canvas.width !== side) canvas.width = canvas.height = side;
      const context = canvas.getContext("2d");
      const index = Number(tile.dataset.frame);
      const source = what.value === "error" ? errorMaps[index] : images[index];
      context.clearRect(0, 0, side, side);
      tile.classList.toggle("empty", !source);
      if (!source) continue;
      context.imageSmoothingEnabled = false;
      const unit = side / across;
      context.drawImage(source, -left * unit, -top * unit, size.width * unit, size.height * unit);
    }
    showWindow(comparison, left, top, across, size);
    comparison.querySelector(".zoomed").value = `${view.zoom}×`;
    zoom.value = view.zoom;
    comparison.querySelector(".where").value = `center ${Math.round(view.x)}, ${Math.round(view.y)}`;
    for (const spot of spots) spot.setAttribute("aria-pressed", String(view.spot === spot));
  };

  const moveTo = (x, y, spot = null) => {
    Object.assign(view, { x, y, spot });
    draw();
  };
  const moveBy = (dx, dy) => moveTo(view.x + dx, view.y + dy);
  const zoomTo = (value) => {
    view.zoom = clamp(Math.round(value), Number(zoom.min), Number(zoom.max));
    draw();
  };

  for (const spot of spots) {
    const center = (start) => Number(start) + Number(spot.dataset.side) / 2;
    spot.addEventListener("click", () => moveTo(center(spot.dataset.x), center(spot.dataset.y), spot));
  }
  zoom.addEventListener("input", () => zoomTo(Number(zoom.value)));
  what.addEventListener("change", draw);
  for (const tile of tiles) listen(tile, grid, view, moveBy, zoomTo);
  for (const map of comparison.querySelectorAll(".maps canvas")) {
    const go = (event) => {
      const box = map.getBoundingClientRect();
      const [across, down] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      moveTo(across * size.width, down * size.height);
    };
    map.addEventListener("pointerdown", go);
    map.addEventListener("pointermove", (event) => event.buttons & 1 && go(event));
  }
  whenResized(grid, draw);
  // at first a close up shows one spot
  const fitting = Math.ceil(tiles[0].clientWidth / Number(spots[0].dataset.side));
  view.zoom = clamp(fitting, Number(zoom.min), Number(zoom.max));
  spots[0].click();
}

// Pointer and keys on one close up; all of them follow.
function listen(tile, grid, view, moveBy, zoomTo) {
  let last = null;
  tile.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    last = [event.clientX, event.clientY];
    tile.setPointerCapture(event.pointerId);
  });
  tile.addEventListener("pointermove", (event) => {
    const box = tile.getBoundingClientRect();
    grid.style.setProperty("--hair-x", `${event.clientX - box.left}px`);
    grid.style.setProperty("--hair-y", `${event.clientY - box.top}px`);
    grid.style.setProperty("--hair", event.pointerType === "mouse" ? "visible" : "hidden");
    if (!last) return;
    moveBy((last[0] - event.clientX) / view.zoom, (last[1] - event.clientY) / view.zoom);
    last = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) tile.addEventListener(end, () => (last = null));
  tile.addEventListener("pointerleave", () => grid.style.setProperty("--hair", "hidden"));
  tile.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 32 : 8;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const move = moves[event.key];
    if (move) moveBy(...move);
    else if (event.key === "+" || event.key === "=") zoomTo(view.zoom + 1);
    else if (event.key === "-") zoomTo(view.zoom - 1);
    else return;
    event.preventDefault();
  });
}

// A frame on the large image and the error maps: where the close-ups look.
function showWindow(comparison, left, top, across, size) {
  const percent = (value, length) => `${clamp((value / length) * 100, 0, 100)}%`;
  for (const box of comparison.querySelectorAll(".looking")) {
    box.style.left = percent(left, size.width);
    box.style.top = percent(top, size.height);
    box.style.width = percent(across, size.width);
    box.style.height = percent(across, size.height);
  }
}
