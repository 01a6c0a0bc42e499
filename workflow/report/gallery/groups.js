// Groups of samples: two means and their difference.

const LISTED = 10; // taxa named on each side of a difference

function drawGroups() {
  const entry = D.groups[state.contrast], ground = land();
  const means = [0, 1].map((row) => Float64Array.from(differenceRow(state.contrast, row)));
  const [mean, low, high] = [2, 3, 4].map((row) => differenceRow(state.contrast, row));
  ["first", "second"].forEach((name, side) => {
    const subjects = D.subject === "sample" ? "" : ` of ${entry.subjects[side]} subjects`;
    const words = `${entry.names[side]}: mean of ${entry.samples[side]} samples${subjects}`;
    layers($(name), ground, composite(means[side]));
    $(name).setAttribute("aria-label", `Mean landscape, ${words}`);
    $(`${name}-name`).textContent = words;
  });
  const limit = Math.max(quantile(Array.from(mean, Math.abs), 0.98), 0.5);
  const apart = Array.from(mean, (_, i) => entry.interval && (low[i] > 0 || high[i] < 0));
  const [context, scale] = fit($("difference"));
  const order = [...D.taxa.keys()].sort((a, b) => apart[a] - apart[b] || Math.abs(mean[a]) - Math.abs(mean[b]));
  for (const i of order) {
    const colour = `rgb(${css(mean[i] > 0 ? "--second" : "--first")})`;
    dot(context, scale, i, differenceRadius(mean[i], limit, scale), colour, apart[i] ? 1 : 0.18);
  }
  rings(context, scale);
  const several = Math.round(100 * D.coverage);
  const many = apart.filter(Boolean).length;
  $("difference-name").textContent = `Difference of the means in doublings: taxa relative to each other (centred log-ratio). ${entry.interval ? `Faded: the ${several} % interval spans 0 (${taxaCount() - many} of ${taxaCount()} taxa).` : "All are faded: too few subjects for an interval."}`;
  $("difference").setAttribute("aria-label", `Differences between ${entry.names[0]} and ${entry.names[1]}; the table below lists the strongest`);
  dotLegend(entry, limit, scale / (window.devicePixelRatio || 1));
  $("compared").textContent = entry.interval
    ? `Intervals: ${several} % bootstrap over subjects (${D.subject}; ${D.draws.toLocaleString("en")} draws), each taxon for itself: about ${100 - several} in 100 taxa would stand out by chance alone. Descriptive: other differences between the groups are not accounted for.`
    : `A group has fewer subjects (${D.subject}) than an interval needs: the means are shown, but nothing says how sure they are.`;
  cladeLegend($("group-clades"), means);
  listDifferences(entry, means, mean, low, high, apart);
}

const differenceRadius = (doublings, limit, scale) => Math.max((0.35 + 0.85 * clamp(Math.abs(doublings) / limit, 0, 1)) * scale, 2.5);

function dotLegend(entry, limit, scale) {
  const round = (colour, doublings, words, opacity = 1) => {
    const line = element("span"), mark = element("i"), size = 2 * differenceRadius(doublings, limit, scale);
    Object.assign(mark.style, { width: `${size}px`, height: `${size}px`, background: `rgb(${css(colour)})`, opacity });
    line.append(mark, words);
    return line;
  };
  $("difference-scale").replaceChildren(
    round("--second", limit, `more in ${entry.names[1]}`),
    round("--first", limit, `more in ${entry.names[0]}`),
    ...[0.5, 1, 2, 4].filter((size) => size <= limit).map((size) => round("--soft-dot", size, `${2 ** size === Math.round(2 ** size) ? 2 ** size : (2 ** size).toFixed(1)} times (${size} ${size === 1 ? "doubling" : "doublings"})`)),
    round("--second", limit, "its interval spans 0", 0.18),
  );
}

function quantile(values, q) {
  const sorted = values.sort((a, b) => a - b);
  return sorted[Math.round(q * (sorted.length - 1))];
}

function listDifferences(entry, means, mean, low, high, apart) {
  const sure = [...D.taxa.keys()].filter((i) => apart[i] || !entry.interval).sort((a, b) => mean[b] - mean[a]);
  const chosen = [...new Set([...sure.filter((i) => mean[i] > 0).slice(0, LISTED), ...sure.filter((i) => mean[i] < 0).slice(-LISTED)])];
  const table = $("differing");
  table.caption.textContent = chosen.length
    ? `The ${chosen.length} strongest differences${entry.interval ? " whose interval leaves out 0" : ""}, from more in ${entry.names[1]} to more in ${entry.names[0]}`
    : "No taxon differs so much that its interval leaves out 0.";
  const head = element("tr");
  const titles = ["Taxon", `Mean share, ${entry.names[0]}`, `Mean share, ${entry.names[1]}`, "Difference in doublings"];
  head.append(...titles.map((words) => element("th", words, { scope: "col" })));
  table.tHead.replaceChildren(...(chosen.length ? [head] : []));
  table.tBodies[0].replaceChildren(
    ...chosen.map((i) => {
      const row = element("tr"), name = element("td"), button = element("button", D.names[i], { type: "button", className: "link" });
      button.addEventListener("click", () => look(i));
      name.append(chip(colourOf(i)), button);
      const words = `${signed(mean[i])}${entry.interval ? ` (${signed(low[i])} to ${signed(high[i])})` : ""}`;
      row.append(name, ...[percent(means[0][i]), percent(means[1][i]), words].map((text) => element("td", text, { className: "number" })));
      return row;
    }),
  );
}
