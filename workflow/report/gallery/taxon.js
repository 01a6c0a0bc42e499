// The taxon that is looked at: all that is known of it.

function look(taxon) {
  if (taxon === state.taxon) return;
  state.taxon = taxon;
  describe();
  draw();
}

const lineageOf = (taxon) =>
  D.lineages[taxon].split(";").map((part) => part.trim().replace(/^[a-z]__/, "")).filter(Boolean);

function describe() {
  const i = state.taxon;
  const facts = element("dl");
  const entry = D.groups[state.contrast];
  const said = [
    ["Lineage", lineageOf(i).join(" › ") || "unassigned"],
    ["Picture shown", `${inPicture(i)}, ${[D.samples[state.sample], whenOf(state.sample)].filter(Boolean).join(", ")}`],
    ["Mean", `${percent(A.mean[i])} of the reads of ${D.training.toLocaleString("en")} training samples`],
    ["Found in", `${percent(A.prevalence[i])} of these samples`],
  ];
  if (entry) {
    const [mean, low, high] = [2, 3, 4].map((row) => differenceRow(state.contrast, row)[i]);
    const span = entry.interval ? ` (${signed(low)} to ${signed(high)})` : "";
    said.push(["Difference", `${signed(mean)} doublings${span}, ${entry.names[1]} minus ${entry.names[0]}`]);
  }
  said.push(["ASV", D.taxa[i]]);
  for (const [name, words] of said) facts.append(element("dt", name), element("dd", words));
  $("taxon").replaceChildren(element("h3", D.names[i]), facts);
  if (hasFunctions()) $("taxon").append(element("h3", "Gene functions"), profile(i), element("p", "Share of its assigned genes; the line marks the mean community.", { className: "soft" }));
}

/** How much of a taxon the sample shown has; shares are of the reads on the map. */
function inPicture(i) {
  const share = percent(sharesOf(state.sample)[i]);
  if (isMean(state.sample)) return `mean ${share} of the reads`;
  const counts = countsOf(state.sample);
  return `${counts[i].toLocaleString("en")} of ${counts.reduce((a, b) => a + b, 0).toLocaleString("en")} reads (${share})`;
}

const hasFunctions = () => D.channels.length > 1 && $("views").dataset.functions === "yes";
const share = (taxon, channel) => A.profiles[taxon * D.channels.length + channel];

let community;
function communityProfile() {
  const mean = shareOfMean();
  community ??= D.channels.map((_, c) => mean.reduce((sum, weight, i) => sum + weight * share(i, c), 0));
  return community;
}

function profile(taxon) {
  const bars = element("div", "", { className: "bars" });
  const mean = communityProfile();
  const longest = Math.max(...mean, ...D.channels.map((_, c) => share(taxon, c)));
  D.channels.forEach((channel, c) => {
    const track = element("span", "", { className: "track" }), bar = element("i"), mark = element("u");
    bar.style.width = `${(100 * share(taxon, c)) / longest}%`;
    mark.style.left = `calc(${(100 * mean[c]) / longest}% - 1px)`;
    track.append(bar, mark);
    bars.append(element("span", channel.name), track, element("span", percent(share(taxon, c))));
  });
  return bars;
}
