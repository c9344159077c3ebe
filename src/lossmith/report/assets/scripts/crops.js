// Close-ups of the same area in every version of an image, moved and zoomed together.
function setUpCrops(comparison, images, names, errorMaps, size) {
  const tiles = [...comparison.querySelectorAll(".crop")];
  const grid = comparison.querySelector(".crops");
  const zoom = comparison.querySelector(".zoom");
  const content = comparison.querySelector(".what");
  const spots = [...comparison.querySelectorAll(".spot")];
  const view = { x: size.width / 2, y: size.height / 2, zoom: 3 };

  // The visible area in image pixels: its top left corner, kept inside an image that is large enough, and its side.
  const visibleArea = () => {
    const side = tiles[0].clientWidth / view.zoom;
    const start = (center, length) => {
      if (side >= length) return (length - side) / 2;
      return clamp(center - side / 2, 0, length - side);
    };
    return { left: start(view.x, size.width), top: start(view.y, size.height), side };
  };

  const draw = () => {
    const { left, top, side } = visibleArea();
    if (!side) return;
    view.x = left + side / 2;
    view.y = top + side / 2;
    for (const tile of tiles) {
      const canvas = tile.querySelector("canvas");
      const pixels = Math.round(tile.clientWidth * devicePixelRatio);
      if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
      const context = canvas.getContext("2d");
      const index = Number(tile.dataset.frame);
      const source = content.value === "error" ? errorMaps[index] : images[index];
      context.clearRect(0, 0, pixels, pixels);
      tile.classList.toggle("empty", !source);
      if (!source) continue;
      context.imageSmoothingEnabled = false;
      const unit = pixels / side;
      context.drawImage(source, -left * unit, -top * unit, size.width * unit, size.height * unit);
    }
    outlineArea(comparison, left, top, side, size);
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
  content.addEventListener("change", draw);
  tiles.forEach((tile, index) => {
    tile.tabIndex = index ? -1 : 0;
    tile.setAttribute("role", "application");
    tile.setAttribute("aria-label", `Close-up, ${names[index]}. Arrow keys move all close-ups, plus and minus zoom.`);
    addControls(tile, grid, view, moveBy, zoomTo);
  });
  for (const map of comparison.querySelectorAll(".maps canvas")) {
    const moveToPointer = (event) => {
      const box = map.getBoundingClientRect();
      const [across, down] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      moveTo(across * size.width, down * size.height);
    };
    map.addEventListener("pointerdown", moveToPointer);
    map.addEventListener("pointermove", (event) => event.buttons & 1 && moveToPointer(event));
  }
  whenResized(grid, draw);
  // at first every close-up shows the first spot
  const fittingZoom = Math.ceil(tiles[0].clientWidth / Number(spots[0].dataset.side));
  view.zoom = clamp(fittingZoom, Number(zoom.min), Number(zoom.max));
  spots[0].click();
}

// Lets pointer and keys on one close-up move and zoom all of them.
function addControls(tile, grid, view, moveBy, zoomTo) {
  let lastPosition = null;
  tile.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    lastPosition = [event.clientX, event.clientY];
    tile.setPointerCapture(event.pointerId);
  });
  tile.addEventListener("pointermove", (event) => {
    const box = tile.getBoundingClientRect();
    grid.style.setProperty("--hair-x", `${event.clientX - box.left}px`);
    grid.style.setProperty("--hair-y", `${event.clientY - box.top}px`);
    grid.style.setProperty("--hair", event.pointerType === "mouse" ? "visible" : "hidden");
    if (!lastPosition) return;
    moveBy((lastPosition[0] - event.clientX) / view.zoom, (lastPosition[1] - event.clientY) / view.zoom);
    lastPosition = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) tile.addEventListener(end, () => (lastPosition = null));
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

// Outlines the area of the close-ups on the large image and on the error maps.
function outlineArea(comparison, left, top, side, size) {
  const percent = (value, length) => `${clamp((value / length) * 100, 0, 100)}%`;
  for (const box of comparison.querySelectorAll(".looking")) {
    box.style.left = percent(left, size.width);
    box.style.top = percent(top, size.height);
    box.style.width = percent(side, size.width);
    box.style.height = percent(side, size.height);
  }
}
