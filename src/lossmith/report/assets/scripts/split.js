// Two versions of an image, one on each side of a line that the pointer or the slider moves. The images lie on top of
// each other; two of them are visible, the left one as far as the line.
function setUpSplit(comparison, names) {
  const [left, right] = ["left", "right"].map((side) => comparison.querySelector(`select.${side}`));
  const slider = comparison.querySelector(".slider");
  const versions = slider.querySelectorAll(".gallery figure");
  const range = comparison.querySelector(".position");

  const draw = () => {
    const fraction = Number(range.value) / 100;
    const [leftName, rightName] = [names[left.value], names[right.value]];
    const [leftTag, rightTag] = slider.querySelectorAll(".tag");
    versions.forEach((version, index) => {
      version.classList.toggle("right", index === Number(right.value));
      version.classList.toggle("left", index === Number(left.value) && left.value !== right.value);
    });
    slider.style.setProperty("--split", `${fraction * 100}%`);
    leftTag.textContent = leftName;
    rightTag.textContent = rightName;
    leftTag.hidden = fraction < 0.08;
    rightTag.hidden = fraction > 0.92;
    range.setAttribute("aria-valuetext", `Left ${Math.round(fraction * 100)} percent: ${leftName}. Right: ${rightName}.`);
  };
  for (const control of [left, right]) control.addEventListener("change", draw);
  range.addEventListener("input", draw);
  comparison.querySelector(".swap").addEventListener("click", () => {
    [left.value, right.value] = [right.value, left.value];
    draw();
  });

  const moveToPointer = (event) => {
    const box = slider.getBoundingClientRect();
    range.value = clamp(((event.clientX - box.left) / box.width) * 100, 0, 100);
    draw();
  };
  slider.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault(); // a dragged image would be taken away
    slider.setPointerCapture(event.pointerId);
    moveToPointer(event);
  });
  slider.addEventListener("pointermove", (event) => {
    if (slider.hasPointerCapture(event.pointerId)) moveToPointer(event);
  });
  draw();
}
