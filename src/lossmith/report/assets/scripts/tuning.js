// The slider along a front, its member in charts and tables, and the points of charts by pointer and arrow keys.
const along = document.getElementById("along");
const ofMembers = document.querySelectorAll("[data-member]:not(.choice)");
const choices = document.querySelectorAll(".choice");
const viewer = document.querySelector(".viewer");
const rows = [...document.querySelectorAll(".strip tbody tr")].map((row) => [...row.querySelectorAll("td")]);

// Fills an image of the viewer from a cell of the strip, which may be empty.
function fillImage(image, cell) {
  const source = cell.querySelector("img");
  image.style.visibility = source ? "visible" : "hidden";
  if (source) Object.assign(image, { src: source.src, alt: source.alt });
}

function showMember(index) {
  for (const element of ofMembers) element.classList.toggle("shown", Number(element.dataset.member) === index);
  for (const choice of choices) choice.hidden = Number(choice.dataset.member) !== index;
  along.value = index;
  along.setAttribute("aria-valuetext", choices[index].dataset.words);
  viewer.querySelector(".named-member").textContent = index + 1;
  viewer.querySelectorAll(".restored").forEach((image, row) => fillImage(image, rows[row][index + 1]));
}

if (along) {
  viewer.querySelectorAll(".degraded").forEach((image, row) => fillImage(image, rows[row][0]));
  viewer.querySelectorAll(".target").forEach((image, row) => fillImage(image, rows[row].at(-1)));
  along.addEventListener("input", () => showMember(Number(along.value)));
  for (const element of document.querySelectorAll(".member, .strip [data-member]"))
    element.addEventListener("click", () => showMember(Number(element.dataset.member)));
  showMember(0);
}

// The point under the pointer, or the next one by an arrow key, is written below its chart.
for (const chart of document.querySelectorAll(".interactive")) {
  const drawing = chart.querySelector("svg");
  const readout = chart.querySelector(".readout");
  const across = (point) => point.querySelector("circle").cx.baseVal.value;
  const points = [...drawing.querySelectorAll(".dot, .member")].sort((a, b) => across(a) - across(b));
  const words = points.map((point) => point.querySelector("title").textContent);
  let current = -1;
  const select = (index) => {
    current = index;
    readout.value = words[index] ?? "";
    points.forEach((point, place) => point.classList.toggle("lit", place === index));
  };
  drawing.addEventListener("pointerover", (event) => {
    const point = event.target.closest(".dot, .member");
    if (point) select(points.indexOf(point));
  });
  drawing.addEventListener("pointerleave", () => select(-1));
  drawing.addEventListener("blur", () => select(-1));
  drawing.addEventListener("keydown", (event) => {
    const last = points.length - 1;
    const targets = { ArrowRight: current + 1, ArrowUp: current + 1, Home: 0, End: last };
    targets.ArrowLeft = targets.ArrowDown = current < 0 ? last : current - 1;
    if (event.key === "Escape") select(-1);
    if (event.key === "Enter" && along && current >= 0) points[current].dispatchEvent(new Event("click"));
    if (targets[event.key] === undefined) return;
    event.preventDefault();
    select(Math.min(Math.max(targets[event.key], 0), last));
  });
}
