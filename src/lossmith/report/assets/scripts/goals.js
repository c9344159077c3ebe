// Unfolds all metrics of one goal under the table of results, and shows one goal at a time on a narrow screen.
const unfoldButtons = [...document.querySelectorAll(".unfold")];
for (const button of unfoldButtons) {
  button.addEventListener("click", () => {
    const opens = button.getAttribute("aria-expanded") !== "true";
    for (const other of unfoldButtons) {
      const isOpen = other === button && opens;
      other.setAttribute("aria-expanded", String(isOpen));
      byId(other.getAttribute("aria-controls")).classList.toggle("open", isOpen);
    }
  });
}

const goalTabs = [...document.querySelectorAll(".tabs button")];
for (const tab of goalTabs) {
  tab.addEventListener("click", () => {
    for (const other of goalTabs) {
      other.setAttribute("aria-pressed", String(other === tab));
      byId(other.getAttribute("aria-controls")).classList.toggle("chosen", other === tab);
    }
  });
}
