// Metrics of a heat map, labels of points by pointer and arrow keys, points of one network by the legend.
for (const select of document.querySelectorAll("select.metric")) {
  const maps = select.closest(".benchmark").querySelectorAll(".map");
  select.addEventListener("change", () => {
    for (const map of maps) map.hidden = map.dataset.map !== select.value;
  });
}

const dots = [...document.querySelectorAll(".dot")];
const nameOf = (dot) => dot.querySelector("title").textContent.split(": ")[0];
const names = new Map(dots.map((dot) => [dot, nameOf(dot)]));

// The same configuration in all plots stands out.
function light(name) {
  for (const dot of dots) dot.classList.toggle("lit", names.get(dot) === name);
}

for (const plot of document.querySelectorAll(".plot svg")) {
  const points = [...plot.querySelectorAll(".dot")].sort((a, b) => place(a) - place(b));
  const readout = plot.parentElement.querySelector(".readout");
  let current = -1;
  const select = (index) => {
    current = index;
    readout.textContent = index < 0 ? "" : points[index].querySelector("title").textContent;
    light(index < 0 ? null : names.get(points[index]));
  };
  plot.addEventListener("pointerover", (event) => {
    const dot = event.target.closest(".dot");
    if (dot) select(points.indexOf(dot));
  });
  plot.addEventListener("pointerleave", () => select(-1));
  plot.addEventListener("blur", () => select(-1));
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!step || !points.length) return;
    select((current + step + points.length) % points.length);
    event.preventDefault();
  });
}

function place(dot) {
  return Number(dot.querySelector("use").getAttribute("x"));
}

const legend = [...document.querySelectorAll(".legend button")];
for (const button of legend) {
  button.addEventListener("click", () => {
    const isPressed = button.getAttribute("aria-pressed") === "true";
    for (const other of legend) other.setAttribute("aria-pressed", String(other === button && !isPressed));
    const network = isPressed ? null : button.dataset.network;
    for (const dot of dots) dot.classList.toggle("dim", network !== null && dot.dataset.network !== network);
  });
}
