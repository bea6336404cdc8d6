"use strict";
// Sort a table by the column whose heading is clicked; once more turns the order round.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const table = heading.closest("table");
    const column = [...heading.parentElement.children].indexOf(heading);
    const isNumber = column > 0;
    const before = heading.getAttribute("aria-sort");
    const falls = before ? before === "ascending" : isNumber;
    const value = (row) => {
      const cell = row.children[column];
      return isNumber ? parseFloat(cell.dataset.value ?? "-1") : cell.textContent;
    };
    const rows = [...table.tBodies[0].rows];
    rows.sort((one, other) => {
      const order = isNumber
        ? value(one) - value(other)
        : value(one).localeCompare(value(other));
      return falls ? -order : order;
    });
    table.tBodies[0].append(...rows);
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falls ? "descending" : "ascending");
  });
}
