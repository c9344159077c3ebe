// Wires up a test image when it comes near the screen.
async function openExhibit(exhibit) {
  if ("opened" in exhibit.dataset) return;
  exhibit.dataset.opened = "";
  const images = [...exhibit.querySelectorAll(".gallery img")];
  await Promise.all(images.map((image) => image.decode()));
  exhibit.dataset.live = ""; // until here the images stand there as they are, for who looks only once
  const size = { width: Number(exhibit.dataset.width), height: Number(exhibit.dataset.height) };
  const names = [...exhibit.querySelectorAll("select.left option")].map((option) => option.textContent);
  setUpSplit(exhibit, images, names);
  const target = pixelsOf(images.at(-1));
  const errorMaps = [];
  for (const map of exhibit.querySelectorAll(".maps canvas")) {
    const index = Number(map.dataset.frame);
    drawError(map, pixelsOf(images[index]), target, Number(exhibit.dataset.ceiling));
    errorMaps[index] = map;
  }
  setUpCrops(exhibit, images, errorMaps, size);
  exhibit.dataset.ready = "";
}

const nearScreen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries)
    if (isIntersecting) {
      nearScreen.unobserve(target);
      openExhibit(target);
    }
}, { rootMargin: "800px" });
for (const exhibit of document.querySelectorAll(".exhibit")) {
  // small images are enlarged by a whole factor, so that their pixels stay square
  const width = Number(exhibit.dataset.width);
  const enlarged = Math.max(1, Math.floor(480 / width));
  exhibit.style.setProperty("--shown", `${width * enlarged}px`);
  exhibit.classList.toggle("tiny", enlarged > 1);
  nearScreen.observe(exhibit);
}

// The others follow when the browser has nothing else to do, so that a printed page is whole.
async function openTheRest() {
  for (const exhibit of document.querySelectorAll(".exhibit")) await openExhibit(exhibit);
}
(window.requestIdleCallback ?? ((work) => setTimeout(work, 500)))(openTheRest);
