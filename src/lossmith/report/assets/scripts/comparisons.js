// Makes the comparison of a test image interactive, once it comes near the screen or is printed. All is drawn at once
// if the images are there, so that a page which is shot or printed right after loading is complete; until then, and
// without scripts, it shows plain images.
const MARGIN = 800; // pixels around the screen

function openComparison(comparison) {
  if ("ready" in comparison.dataset) return;
  const images = [...comparison.querySelectorAll(".gallery img")];
  const embedded = [...images, ...comparison.querySelectorAll("img.measured-errors")];
  if (!embedded.every((image) => image.complete && image.naturalWidth)) {
    Promise.all(embedded.map((image) => image.decode())).then(() => openComparison(comparison));
    return;
  }
  comparison.dataset.ready = "";
  const size = { width: Number(comparison.dataset.width), height: Number(comparison.dataset.height) };
  const names = [...comparison.querySelectorAll("select.left option")].map((option) => option.textContent);
  setUpSplit(comparison, names);
  const maps = comparison.querySelectorAll(".maps canvas");
  const target = maps.length ? pixelsOf(images.at(-1)) : null;
  const errorMaps = [];
  for (const map of maps) {
    const index = Number(map.dataset.frame);
    const measured = map.parentElement.querySelector(".measured-errors");
    if (measured) drawMeasuredError(map, pixelsOf(measured));
    else drawError(map, pixelsOf(images[index]), target, Number(comparison.dataset.ceiling));
    errorMaps[index] = map;
  }
  if (comparison.querySelector(".closeup")) setUpCrops(comparison, images, names, errorMaps, size);
}

const comparisons = document.querySelectorAll(".comparison");
const nearScreen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries)
    if (isIntersecting) {
      nearScreen.unobserve(target);
      openComparison(target);
    }
}, { rootMargin: `${MARGIN}px` });
for (const comparison of comparisons) {
  const { top, bottom } = comparison.getBoundingClientRect();
  if (top < innerHeight + MARGIN && bottom > -MARGIN) openComparison(comparison);
  else nearScreen.observe(comparison);
}
addEventListener("beforeprint", () => comparisons.forEach(openComparison));
