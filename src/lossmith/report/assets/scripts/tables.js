// Sorts tables by a column, and copies commands.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.querySelectorAll("th[aria-sort]")];
  const body = table.tBodies[0];
  headers.forEach((header) => {
    const column = Number(header.dataset.column ?? header.cellIndex);
    header.querySelector("button")?.addEventListener("click", (event) => {
      const firstOrder = event.currentTarget.dataset.first;
      const otherOrder = firstOrder === "ascending" ? "descending" : "ascending";
      const order = header.getAttribute("aria-sort") === firstOrder ? otherOrder : firstOrder;
      for (const cell of headers) cell.setAttribute("aria-sort", "none");
      header.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      // rows without a number, and failed losses, are last in both orders
      const value = (row) => {
        const text = row.cells[column]?.dataset.value;
        return text ? Number(text.replace("inf", "Infinity")) : null;
      };
      const entries = [...body.rows].map((row) => [value(row), row]);
      entries.sort(([a], [b]) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : sign * (a - b)));
      body.append(...entries.map(([, row]) => row));
    });
  });
}

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const source = button.parentElement.querySelector("code");
    let isCopied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      // some browsers deny local files the clipboard: select the text, so that Ctrl-C copies it
      getSelection().selectAllChildren(source);
      isCopied = document.execCommand("copy");
    }
    button.textContent = isCopied ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}
