// The viewer of a blend: one detail at the chosen alpha, enlarged, beside the target; its images are those of the strip.
for (const viewer of document.querySelectorAll(".viewer")) {
  const rows = [...viewer.nextElementSibling.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("img")]);
  const range = viewer.querySelector("input");
  const alphas = [...viewer.nextElementSibling.querySelectorAll("thead th")].slice(2, -1).map((cell) => cell.textContent);
  const copy = (image, source) => Object.assign(image, { src: source.src, alt: source.alt });
  const draw = () => {
    for (const image of viewer.querySelectorAll(".way")) copy(image, rows[image.dataset.row][Number(range.value) + 1]);
    viewer.querySelector("output").value = alphas[range.value];
    range.setAttribute("aria-valuetext", `alpha ${alphas[range.value]}`);
  };
  copy(viewer.querySelector(".target"), rows[0].at(-1));
  range.addEventListener("input", draw);
  draw();
}
