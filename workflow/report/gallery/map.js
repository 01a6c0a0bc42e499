// The map of taxa: a dot each, coloured by clade, as large as the taxon is common.

const radiusOf = (taxon) => 0.35 + 0.85 * strength(A.mean[taxon]);

function drawMap() {
  const [context, scale] = fit($("map"));
  const order = [...D.taxa.keys()].sort((a, b) => A.mean[b] - A.mean[a]); // small dots on top
  for (const taxon of order) dot(context, scale, taxon, Math.max(radiusOf(taxon) * scale, 2.5), colourOf(taxon));
  nameFamilies(context, scale);
  rings(context, scale);
  cladeLegend($("map-clades"), [shareOfMean()], { withTaxa: true });
  const perCell = $("map").clientWidth / D.size;
  $("map-sizes").replaceChildren(
    ...[1e-4, 1e-3, 1e-2, 1e-1].map((share) => {
      const size = 2 * Math.max((0.35 + 0.85 * strength(share)) * perCell, 2.5);
      const round = element("i");
      Object.assign(round.style, { width: `${size}px`, height: `${size}px` });
      const line = element("span");
      line.append(round, `${100 * share} %`);
      return line;
    }),
  );
}

/** Write the names of the most abundant families beside their most abundant taxon, where there is room. */
function nameFamilies(context, scale) {
  const families = D.ranks.find((entry) => entry.rank === "family");
  const ratio = window.devicePixelRatio || 1, height = 12 * ratio;
  context.font = `${height}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.lineWidth = 3 * ratio;
  context.lineJoin = "round";
  const taken = [];
  families.clades.forEach((name, index) => {
    if (name === "other" || name === "unassigned") return;
    const members = families.of.flatMap((of, taxon) => (of === index ? [taxon] : []));
    const [x, y] = centre(members.reduce((best, i) => (A.mean[i] > A.mean[best] ? i : best)), scale);
    const width = context.measureText(name).width;
    const box = { x: clamp(x, width / 2 + 4, context.canvas.width - width / 2 - 4), y: Math.max(y - 1.5 * scale, height), width };
    if (taken.some((other) => Math.abs(other.x - box.x) < (other.width + width) / 2 + 4 && Math.abs(other.y - box.y) < height)) return;
    taken.push(box);
    context.strokeStyle = css("--sea");
    context.strokeText(name, box.x, box.y);
    context.fillStyle = css("--ink");
    context.fillText(name, box.x, box.y);
  });
}

function shareOfMean() {
  const total = A.mean.reduce((a, b) => a + b, 0) || 1;
  return Array.from(A.mean, (share) => share / total);
}
