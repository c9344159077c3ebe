// Sorting by column, and the copy button.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headers.forEach((header, column) => {
    header.querySelector("button")?.addEventListener("click", (event) => {
      const first = event.currentTarget.dataset.first;
      const other = first === "ascending" ? "descending" : "ascending";
      const order = header.getAttribute("aria-sort") === first ? other : first;
      for (const each of headers) if (each.hasAttribute("aria-sort")) each.setAttribute("aria-sort", "none");
      header.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      // rows without the number, and losses that failed, stay at the end either way
      const value = (row) => {
        const text = row.cells[column]?.dataset.value;
        return text ? Number(text.replace("inf", "Infinity")) : null;
      };
      const keyed = [...body.rows].map((row) => [value(row), row]);
      keyed.sort(([a], [b]) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : sign * (a - b)));
      body.append(...keyed.map(([, row]) => row));
    });
  });
}

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const source = button.parentElement.querySelector("code");
    let copied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      // browsers that keep the clipboard from local files: select the text, so that Ctrl-C copies it
      getSelection().selectAllChildren(source);
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}
