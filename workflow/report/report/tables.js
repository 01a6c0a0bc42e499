// Tables: a box that filters the rows of long ones, headings that sort, texts that can be copied.
const LEAST = 4; // rows worth sorting
const number = (text) => { const found = parseFloat(text.replace(/,/g, "").replace("\u2212", "-")); return found; };

function compare(first, second) {
  const [a, b] = [number(first), number(second)];
  if (Number.isNaN(a) || Number.isNaN(b)) {
    if (first === "" || second === "") return (first === "") - (second === ""); // empty cells last
    return first.localeCompare(second, "en", { numeric: true });
  }
  return a - b;
}

function sortable(table) {
  const body = table.tBodies[0];
  if (body.rows.length < LEAST) return;
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    const button = document.createElement("button"), name = cell.textContent;
    button.type = "button";
    button.className = "sort";
    button.textContent = "\u2195";
    button.setAttribute("aria-label", `Sort by ${name}`);
    cell.append(" ", button);
    button.addEventListener("click", () => {
      const way = cell.ariaSort === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) {
        other.removeAttribute("aria-sort");
        other.querySelector(".sort").textContent = "\u2195";
      }
      cell.ariaSort = way > 0 ? "ascending" : "descending";
      button.textContent = way > 0 ? "\u2191" : "\u2193";
      const text = (row) => row.cells[column].textContent;
      const rows = [...body.rows].sort((a, b) => {
        const empty = (text(a) === "") - (text(b) === "");
        return empty || way * compare(text(a), text(b));
      });
      body.append(...rows);
    });
  });
}

function filterable(table) {
  const box = document.createElement("p"), rows = [...table.tBodies[0].rows];
  box.className = "filter";
  const label = document.createElement("label"), input = document.createElement("input");
  const found = document.createElement("span");
  input.type = "search";
  label.append("Filter rows: ", input);
  found.setAttribute("role", "status");
  box.append(label, found);
  table.parentElement.before(box);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const left = rows.filter((row) => !row.hidden).length;
    found.textContent = words.length ? `${left} of ${rows.length} rows` : "";
  });
}

function copyable(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  block.append(button);
  button.addEventListener("click", async () => {
    const text = [...block.querySelectorAll("p, pre")].map((part) => part.textContent).join("\n\n");
    const done = await navigator.clipboard.writeText(text).then(() => true, () => false);
    button.textContent = done ? "Copied" : "Your browser does not allow it: select the text";
  });
}

document.querySelectorAll("table").forEach(sortable);
document.querySelectorAll("table.long").forEach(filterable);
document.querySelectorAll(".copied").forEach(copyable);
