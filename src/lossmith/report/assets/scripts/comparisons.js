// Makes the comparison of a test image interactive, once it comes near the screen.
async function openComparison(comparison) {
  if ("opened" in comparison.dataset) return;
  comparison.dataset.opened = "";
  const images = [...comparison.querySelectorAll(".gallery img")];
  await Promise.all(images.map((image) => image.decode()));
  comparison.dataset.live = ""; // until now CSS shows the plain images, as it does without scripts
  const size = { width: Number(comparison.dataset.width), height: Number(comparison.dataset.height) };
  const names = [...comparison.querySelectorAll("select.left option")].map((option) => option.textContent);
  setUpSplit(comparison, images, names);
  const target = pixelsOf(images.at(-1));
  const errorMaps = [];
  for (const map of comparison.querySelectorAll(".maps canvas")) {
    const index = Number(map.dataset.frame);
    drawError(map, pixelsOf(images[index]), target, Number(comparison.dataset.ceiling));
    errorMaps[index] = map;
  }
  if (comparison.querySelector(".closeup")) setUpCrops(comparison, images, errorMaps, size);
  comparison.dataset.ready = "";
}

const nearScreen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries)
    if (isIntersecting) {
      nearScreen.unobserve(target);
      openComparison(target);
    }
}, { rootMargin: "800px" });
for (const comparison of document.querySelectorAll(".comparison")) {
  // small images are enlarged by an integer factor, so that their pixels stay square
  const width = Number(comparison.dataset.width);
  const factor = Math.max(1, Math.floor(480 / width));
  comparison.style.setProperty("--shown", `${width * factor}px`);
  comparison.classList.toggle("tiny", factor > 1);
  nearScreen.observe(comparison);
}

// Opens all other comparisons when the browser is idle, so that a printed page is complete.
async function openAllComparisons() {
  for (const comparison of document.querySelectorAll(".comparison")) await openComparison(comparison);
}
(window.requestIdleCallback ?? ((work) => setTimeout(work, 500)))(openAllComparisons);
