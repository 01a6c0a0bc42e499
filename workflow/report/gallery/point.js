// Pointing at taxa, by mouse, finger or arrow keys.

const HIT = 9; // CSS pixels within which a taxon is pointed at

let tipShownAt = 0; // where the page was scrolled to; a tip does not follow its taxon
function tip(taxon, x, y, about) {
  tipShownAt = scrollY;
  const box = $("tip");
  box.hidden = taxon < 0;
  if (taxon < 0) return;
  const said = [element("b", D.names[taxon]), element("small", lineageOf(taxon).join(" › ") || "unassigned"), element("div", about(taxon))];
  if (hasFunctions()) {
    const mean = communityProfile();
    const most = D.channels.map((_, c) => c).sort((a, b) => share(taxon, b) / mean[b] - share(taxon, a) / mean[a]).slice(0, 2);
    said.push(element("small", `more than the community of: ${most.map((c) => `${D.channels[c].name} (${number(share(taxon, c) / mean[c], 2)} ×)`).join(", ")}`));
  }
  box.replaceChildren(...said);
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${clamp(x + 14, 4, innerWidth - width - 4)}px`;
  box.style.top = `${y + 18 + height > innerHeight ? Math.max(y - height - 12, 4) : y + 18}px`;
}

function nearest(canvas, x, y) {
  const box = canvas.getBoundingClientRect();
  const scale = (box.width - 2) / D.size;
  const column = (x - box.left - 1) / scale - 0.5, row = (y - box.top - 1) / scale - 0.5;
  let found = -1, least = Math.max(HIT / scale, 0.8);
  for (let i = 0; i < taxaCount(); i++) {
    const away = Math.hypot(A.row[i] - row, A.column[i] - column);
    if (away < least) [found, least] = [i, away];
  }
  return found;
}

/** The nearest taxon that lies in the direction of an arrow key, deviation counting double. */
function neighbour(taxon, key) {
  const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  let found = taxon, least = Infinity;
  for (let i = 0; i < taxaCount(); i++) {
    const dr = A.row[i] - A.row[taxon], dc = A.column[i] - A.column[taxon];
    const along = dr * down + dc * right, across = Math.abs(dr * right + dc * down);
    if (along > 0 && along + 2 * across < least) [found, least] = [i, along + 2 * across];
  }
  return found;
}

function explore(canvas, about) {
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    const taxon = nearest(canvas, event.clientX, event.clientY);
    tip(taxon, event.clientX, event.clientY, about);
    if (taxon >= 0) look(taxon);
  });
  canvas.addEventListener("pointerleave", () => ($("tip").hidden = true));
  canvas.addEventListener("click", (event) => {
    const taxon = nearest(canvas, event.clientX, event.clientY);
    tip(taxon, event.clientX, event.clientY, about);
    if (taxon >= 0) look(taxon);
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Escape") $("tip").hidden = true;
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    look(state.taxon < 0 ? mostCommon() : neighbour(state.taxon, event.key));
    const box = canvas.getBoundingClientRect(), scale = (box.width - 2) / D.size;
    const [x, y] = centre(state.taxon, scale);
    tip(state.taxon, box.left + x, box.top + y, about);
  });
  canvas.addEventListener("blur", () => ($("tip").hidden = true));
}

const mostCommon = () => A.mean.reduce((best, mean, i) => (mean > A.mean[best] ? i : best), 0);
