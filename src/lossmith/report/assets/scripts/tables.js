// Sorts tables by a column.
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
