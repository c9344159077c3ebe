// Two versions of an image, one on each side of a line that the pointer or the slider moves.
function setUpSplit(comparison, images, names) {
  const [left, right] = ["left", "right"].map((side) => comparison.querySelector(`select.${side}`));
  const slider = comparison.querySelector(".slider");
  const canvas = slider.querySelector("canvas");
  const range = comparison.querySelector(".position");
  const context = canvas.getContext("2d");

  const draw = () => {
    const fraction = Number(range.value) / 100;
    const edge = Math.round(canvas.width * fraction);
    context.drawImage(images[right.value], 0, 0);
    if (edge > 0) context.drawImage(images[left.value], 0, 0, edge, canvas.height, 0, 0, edge, canvas.height);
    slider.style.setProperty("--split", `${(edge / canvas.width) * 100}%`);
    const [leftName, rightName] = [names[left.value], names[right.value]];
    const [leftTag, rightTag] = slider.querySelectorAll(".tag");
    leftTag.textContent = leftName;
    rightTag.textContent = rightName;
    leftTag.hidden = fraction < 0.08;
    rightTag.hidden = fraction > 0.92;
    canvas.setAttribute("aria-label", `Left ${Math.round(fraction * 100)} percent: ${leftName}. Right: ${rightName}.`);
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
    slider.setPointerCapture(event.pointerId);
    moveToPointer(event);
  });
  slider.addEventListener("pointermove", (event) => {
    if (slider.hasPointerCapture(event.pointerId)) moveToPointer(event);
  });
  draw();
}
