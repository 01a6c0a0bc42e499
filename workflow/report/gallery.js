"use strict";
// The page holds counts, kernels and profiles (taxoscape/previews/gallery.py) and rasterizes them here:
// I(h, w, c) = sum_i v_i a_i(h) b_i(w) f_ic, as taxoscape.raster does. Texts reach the page as textContent only.

const $ = (id) => document.getElementById(id);
const FAINTEST = 1e-4, FULL = 1e-1; // share of reads in a pixel drawn faintly, and in full colour (previews/paint.py)
const LISTED = 10; // taxa named on each side of a difference
const HIT = 9; // CSS pixels within which a taxon is pointed at
const WHO = -1; // the view that is no channel
let D, A; // content, arrays
const state = { rank: 0, sample: 0, view: WHO, contrast: 0, taxon: -1, wanted: new Set() };

// --- data ---

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const whole = await new Response(stream).arrayBuffer();
  const start = 4 + new DataView(whole).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(whole, 4, start - 4)));
  const kinds = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array };
  const arrays = {};
  for (const [name, entry] of Object.entries(header.arrays)) {
    const length = entry.shape.reduce((a, b) => a * b, 1);
    arrays[name] = Object.assign(new kinds[entry.kind](whole, start + entry.offset, length), { shape: entry.shape });
  }
  return [header.content, arrays];
}

const taxaCount = () => D.taxa.length;
const rowOf = (array, row) => array.subarray(row * taxaCount(), (row + 1) * taxaCount());
const countsOf = (sample) => rowOf(A.counts, sample);
const isMean = (sample) => sample >= A.counts.shape[0];
const differenceRow = (contrast, row) => rowOf(A.differences, contrast * 5 + row);

/** Shares of the reads on the map; those past the samples are means over a stretch of time. */
function sharesOf(sample) {
  if (isMean(sample)) return Float64Array.from(rowOf(A.mean_shares, sample - A.counts.shape[0]));
  const counts = countsOf(sample);
  const total = Math.max(counts.reduce((a, b) => a + b, 0), 1);
  return Float64Array.from(counts, (count) => count / total);
}

function valuesOf(sample) {
  if (isMean(sample)) return Float64Array.from(rowOf(A.mean_values, sample - A.counts.shape[0]));
  let raw = sharesOf(sample);
  if (D.values === "clr") {
    raw = Float64Array.from(countsOf(sample), (count) => Math.log(count + D.pseudocount));
    const mean = raw.reduce((a, b) => a + b, 0) / raw.length;
    raw = raw.map((value) => value - mean);
  }
  return raw.map((value, i) => (value - A.value_mean[i]) / A.value_std[i]);
}

// --- raster ---

/** Sums of kernels [k][H * W]: for each of k weightings [D] the sum of weight_i a_i(h) b_i(w). */
function splat(weightings) {
  const size = D.size, reachRows = A.rows.shape[1], reachColumns = A.columns.shape[1];
  return weightings.map((weights) => {
    const plane = new Float32Array(size * size);
    for (let i = 0; i < taxaCount(); i++) {
      if (!weights[i]) continue;
      const lastRow = Math.min(reachRows, size - A.first_row[i]);
      const lastColumn = Math.min(reachColumns, size - A.first_column[i]);
      for (let h = 0; h < lastRow; h++) {
        const strip = weights[i] * A.rows[i * reachRows + h];
        if (!strip) continue;
        const start = (A.first_row[i] + h) * size + A.first_column[i];
        for (let w = 0; w < lastColumn; w++) plane[start + w] += strip * A.columns[i * reachColumns + w];
      }
    }
    return plane;
  });
}

/** A channel of a sample's image as models see it: standardised by the training images. */
function channelImage(sample, channel) {
  const values = valuesOf(sample), channels = D.channels.length;
  const [plane] = splat([values.map((value, i) => value * A.profiles[i * channels + channel])]);
  return plane.map((value) => (value - A.channel_mean[channel]) / A.channel_std[channel]);
}

// --- paint ---

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const triple = (name) => css(name).split(/\s+/).map(Number);
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const rank = () => D.ranks[state.rank];
const colourOf = (taxon) => rank().colours[rank().of[taxon]];
const strength = (share) =>
  share > 0
    ? clamp(0.15 + (0.85 * (Math.log10(share) - Math.log10(FAINTEST))) / (Math.log10(FULL) - Math.log10(FAINTEST)), 0, 1)
    : 0;

/** Who is there: the hue is the mean of the clades' colours at a pixel, the opacity the share of reads there. */
function composite(shares) {
  const colours = rank().colours.map(rgb);
  const planes = splat([0, 1, 2].map((k) => shares.map((share, i) => share * colours[rank().of[i]][k])).concat([shares]));
  const pixels = new Uint8ClampedArray(4 * D.size * D.size);
  for (let p = 0; p < D.size * D.size; p++) {
    const weight = planes[3][p];
    for (let k = 0; k < 3; k++) pixels[4 * p + k] = weight > 0 ? planes[k][p] / weight : 0;
    pixels[4 * p + 3] = 255 * strength(weight);
  }
  return pixels;
}

/** Red above, blue below, as strong as the value is large beside `limit`. */
function diverging(plane, limit) {
  const more = triple("--more"), less = triple("--less");
  const pixels = new Uint8ClampedArray(4 * plane.length);
  plane.forEach((value, p) => {
    pixels.set(value > 0 ? more : less, 4 * p);
    pixels[4 * p + 3] = 255 * clamp(Math.abs(value) / limit, 0, 1);
  });
  return pixels;
}

let cover;
function land() {
  cover ??= splat([new Float64Array(taxaCount()).fill(1)])[0];
  const colour = rgb(css("--land")), most = cover.reduce((a, b) => Math.max(a, b), 0);
  const pixels = new Uint8ClampedArray(4 * cover.length);
  cover.forEach((value, p) => {
    pixels.set(colour, 4 * p);
    pixels[4 * p + 3] = 255 * clamp(value / (0.1 * most), 0, 1);
  });
  return pixels;
}

/** Fit a canvas to its place on the screen; scale of image pixels to its own. */
function fit(canvas) {
  const width = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
  const height = Math.max(1, Math.round(canvas.clientHeight * (window.devicePixelRatio || 1)));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  return [context, width / D.size];
}

function layers(canvas, ...images) {
  const [context, scale] = fit(canvas);
  context.imageSmoothingEnabled = false;
  for (const pixels of images) {
    const small = new OffscreenCanvas(D.size, D.size);
    small.getContext("2d").putImageData(new ImageData(pixels, D.size, D.size), 0, 0);
    context.drawImage(small, 0, 0, D.size * scale, D.size * scale);
  }
  rings(context, scale);
}

const centre = (taxon, scale) => [(A.column[taxon] + 0.5) * scale, (A.row[taxon] + 0.5) * scale];

function dot(context, scale, taxon, radius, colour, alpha = 1) {
  context.globalAlpha = alpha;
  context.beginPath();
  context.arc(...centre(taxon, scale), radius, 0, 7);
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = 1;
}

/** Rings around the taxa that were searched for, a double one around the one that is looked at. */
function rings(context, scale) {
  const ring = (taxon, radius, width) => {
    context.beginPath();
    context.arc(...centre(taxon, scale), radius, 0, 7);
    context.lineWidth = width * (window.devicePixelRatio || 1);
    context.strokeStyle = css("--ring");
    context.stroke();
  };
  for (const taxon of state.wanted) ring(taxon, 1.15 * scale, 1.5);
  if (state.taxon >= 0) {
    ring(state.taxon, 1.3 * scale, 2.5);
    ring(state.taxon, 2.0 * scale, 1);
  }
}

// --- words ---

const whenOf = (sample) => D.whens[sample];
const number = (x, digits = 3) => (x === 0 ? "0" : Number(x.toPrecision(digits)).toLocaleString("en", { maximumSignificantDigits: digits }));
const percent = (share) => (share === 0 ? "0 %" : share < 1e-4 ? "< 0.01 %" : `${(100 * share).toFixed(share < 0.01 ? 2 : 1)} %`);
const signed = (x) => `${x > 0 ? "+" : x < 0 ? "−" : ""}${Math.abs(x).toFixed(1)}`;

function element(tag, words = "", attributes = {}) {
  const made = Object.assign(document.createElement(tag), attributes);
  if (words !== "") made.textContent = words;
  return made;
}

function options(select, entries) {
  select.replaceChildren(...entries.map(([value, words]) => element("option", words, { value })));
}

function chip(colour) {
  const made = element("i", "", { className: "chip" });
  made.style.background = colour;
  return made;
}

/** Which colour is which clade, with its share of the reads in each of the pictures shown, the largest first. */
function cladeLegend(place, pictures, withTaxa = false) {
  const entries = rank().clades.map((name, index) => {
    const members = rank().of.flatMap((of, taxon) => (of === index ? [taxon] : []));
    const shares = pictures.map((picture) => members.reduce((sum, i) => sum + picture[i], 0));
    return { name, colour: rank().colours[index], taxa: members.length, shares, most: Math.max(...shares) };
  });
  entries.sort((a, b) => b.most - a.most);
  place.replaceChildren(
    ...entries.map(({ name, colour, taxa, shares }) => {
      const line = element("span");
      const more = name === "other" ? ` (${rank().others} more)` : "";
      line.append(chip(colour), `${name}${more}`, element("b", shares.map(percent).join(" → ")));
      if (withTaxa) line.append(element("small", `${taxa} ${taxa === 1 ? "taxon" : "taxa"}`, { className: "soft" }));
      return line;
    }),
  );
  return entries;
}

function ramp(place, title, gradient, marks) {
  const bar = element("div", "", { className: "bar" });
  bar.style.background = gradient;
  const line = element("div", "", { className: "marks" });
  line.append(...marks.map((mark) => element("span", mark)));
  place.replaceChildren(element("div", title), bar, line);
}

// --- the map of taxa ---

const radiusOf = (taxon) => 0.35 + 0.85 * strength(A.mean[taxon]);

function drawMap() {
  const [context, scale] = fit($("map"));
  const order = [...D.taxa.keys()].sort((a, b) => A.mean[b] - A.mean[a]); // small dots on top
  for (const taxon of order) dot(context, scale, taxon, Math.max(radiusOf(taxon) * scale, 2.5), colourOf(taxon));
  nameFamilies(context, scale);
  rings(context, scale);
  cladeLegend($("map-clades"), [shareOfMean()], true);
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

// --- a sample ---

const subjectOf = (sample) => D.subjects.findIndex((subject) => subject.samples.includes(sample));
const longitudinal = () => D.subjects.some((subject) => subject.samples.length > 1);

function chooseSample(sample) {
  state.sample = sample;
  const subject = D.subjects[subjectOf(sample)];
  $("subject").value = subjectOf(sample);
  $("one").value = sample;
  const slider = $("time"), place = subject.samples.indexOf(sample);
  slider.max = subject.samples.length - 1;
  slider.value = place;
  slider.disabled = subject.samples.length < 2;
  const when = whenOf(sample) || `sample ${place + 1}`;
  slider.setAttribute("aria-valuetext", `${when}, ${place + 1} of ${subject.samples.length}`);
  $("when").textContent = `${when} (${place + 1} of ${subject.samples.length})`;
  const fields = isMean(sample) ? [] : D.fields.filter((field) => field.values[sample] !== "");
  const known = fields.map((field) => `${field.name}: ${field.values[sample]}${field.unit ? ` ${field.unit}` : ""}`);
  const kept = isMean(sample) ? subject.name : `${percent(A.kept[sample])} of its reads are of taxa on the map`;
  $("about").textContent = [D.samples[sample], whenOf(sample), ...known, kept].filter(Boolean).join(" · ");
  drawSample();
  if (state.taxon >= 0) describe();
}

function drawSample() {
  const shares = sharesOf(state.sample), ground = land();
  const channel = state.view, who = channel === WHO;
  const drawn = who ? composite(shares) : diverging(channelImage(state.sample, channel), A.limits[channel]);
  layers($("image"), ground, drawn);
  for (const [view, canvas] of thumbnails.entries()) {
    const pixels = view === 0 ? composite(shares) : diverging(channelImage(state.sample, view - 1), A.limits[view - 1]);
    const context = Object.assign(canvas, { width: D.size, height: D.size }).getContext("2d");
    context.putImageData(new ImageData(pixels, D.size, D.size), 0, 0);
  }
  const entries = cladeLegend($("image-clades"), [shares]);
  const most = entries.slice(0, 3).map((entry) => `${entry.name} ${percent(entry.most)}`);
  const title = who ? "Who is there" : D.channels[channel].name;
  $("picture-title").textContent = title;
  $("image").setAttribute("aria-label", `${title}, sample ${D.samples[state.sample]}, ${whenOf(state.sample)}: ${most.join(", ")}. Arrow keys move from taxon to taxon.`);
  if (who) {
    ramp($("scale"), "share of the sample's reads in a pixel", "linear-gradient(to right, color-mix(in srgb, currentColor 15%, transparent), currentColor)", ["0.01 %", "0.1 %", "1 %", "10 %"]);
  } else {
    const limit = number(A.limits[channel], 2);
    const holds = D.channels[channel].holds;
    ramp($("scale"), `${title}${holds ? ` (${holds})` : ""}: standard deviations from the average pixel of the training images`, divergingGradient("--less", "--more"), [`−${limit} or less`, "0", `+${limit} or more`]);
  }
  drawCourse();
}

const divergingGradient = (low, high) => `linear-gradient(to right, rgb(${css(low)}), transparent, rgb(${css(high)}))`;

/** Stacked bars: the clades of each sample of the subject, in the order of time; the one shown is framed. */
function drawCourse() {
  const places = D.subjects[subjectOf(state.sample)].samples;
  const canvas = $("course");
  const [context] = fit(canvas);
  const step = canvas.width / places.length;
  places.forEach((sample, at) => {
    const shares = sharesOf(sample), sums = new Float64Array(rank().clades.length);
    shares.forEach((share, i) => (sums[rank().of[i]] += share));
    let top = canvas.height;
    sums.forEach((share, index) => {
      context.fillStyle = rank().colours[index];
      const height = share * canvas.height;
      context.fillRect(at * step + 0.5, top - height, Math.max(step - 1, 1), height + 0.5);
      top -= height;
    });
  });
  const at = places.indexOf(state.sample);
  context.strokeStyle = css("--ring");
  context.lineWidth = 3 * (window.devicePixelRatio || 1);
  context.strokeRect(at * step + 1, 1, Math.max(step - 2, 2), canvas.height - 2);
  const ends = [places[0], places[places.length - 1]].map((sample) => whenOf(sample));
  $("course-ticks").replaceChildren(...(places.length > 1 ? ends : ends.slice(1)).map((words) => element("span", words)));
  $("course-title").textContent = places.length > 1 ? `${D.subjects[subjectOf(state.sample)].name} over time` : "Composition";
  canvas.setAttribute("aria-label", `Shares of the clades in ${places.length} samples of ${D.subjects[subjectOf(state.sample)].name}, in the order of time`);
}

// --- groups ---

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

// --- the taxon that is looked at ---

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

// --- the page ---

const thumbnails = [];

function makeViews() {
  const views = [{ name: "Who is there", holds: "clades" }, ...(hasFunctions() ? D.channels : [])];
  views.forEach(({ name, holds }, at) => {
    const label = element("label", "", { title: holds }), canvas = element("canvas");
    const input = element("input", "", { type: "radio", name: "view", value: at - 1, checked: at === 0 });
    input.addEventListener("change", () => {
      state.view = at - 1;
      drawSample();
    });
    canvas.setAttribute("aria-hidden", "true");
    label.append(input, canvas, name);
    thumbnails.push(canvas);
    $("views").append(label);
  });
}

function find(words) {
  const wanted = words.trim().toLowerCase();
  const hit = (i) => `${D.lineages[i]} ${D.names[i]} ${D.taxa[i]}`.toLowerCase().includes(wanted);
  state.wanted = new Set(wanted ? [...D.taxa.keys()].filter(hit) : []);
  $("found").textContent = wanted ? `${state.wanted.size} of ${taxaCount()} taxa, ringed in every picture` : "";
  draw();
}

function draw() {
  document.querySelectorAll(".rank-name").forEach((place) => (place.textContent = rank().rank));
  drawMap();
  drawSample();
  if (D.groups.length) drawGroups();
}

function later(work) {
  let waiting = 0;
  return () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(work);
  };
}

function wire() {
  $("rank").addEventListener("change", (event) => {
    state.rank = Number(event.target.value);
    draw();
  });
  $("find").addEventListener("input", (event) => find(event.target.value));
  $("subject").addEventListener("change", (event) => chooseSample(D.subjects[event.target.value].samples[0]));
  $("one").addEventListener("change", (event) => chooseSample(Number(event.target.value)));
  $("time").addEventListener("input", (event) => chooseSample(D.subjects[subjectOf(state.sample)].samples[event.target.value]));
  $("contrast").addEventListener("change", (event) => {
    state.contrast = Number(event.target.value);
    drawGroups();
    if (state.taxon >= 0) describe();
  });
  $("course").addEventListener("click", (event) => {
    const places = D.subjects[subjectOf(state.sample)].samples;
    const box = event.target.getBoundingClientRect();
    chooseSample(places[clamp(Math.floor(((event.clientX - box.left) / box.width) * places.length), 0, places.length - 1)]);
  });
  const inGroup = (row) => (i) => `mean ${percent(differenceRow(state.contrast, row)[i])} of the reads`;
  explore($("map"), (i) => `mean ${percent(A.mean[i])} of the reads, in ${percent(A.prevalence[i])} of the samples`);
  explore($("image"), inPicture);
  explore($("first"), inGroup(0));
  explore($("second"), inGroup(1));
  explore($("difference"), (i) => {
    const [mean, low, high] = [2, 3, 4].map((row) => differenceRow(state.contrast, row)[i]);
    return `${signed(mean)} doublings${D.groups[state.contrast].interval ? ` (${signed(low)} to ${signed(high)})` : ""}`;
  });
  addEventListener("scroll", () => ($("tip").hidden ||= Math.abs(scrollY - tipShownAt) > 4), { passive: true });
  addEventListener("resize", later(draw));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

/** Means over time follow the samples, as subjects of their own. */
function addCourses() {
  D.subjects.forEach((subject) => (subject.label = `${subject.name} (${subject.samples.length})`));
  for (const { name, steps } of D.courses) {
    const samples = steps.map(({ when, samples: count }) => {
      D.whens.push(when);
      return D.samples.push(`Mean of ${count} training samples`) - 1;
    });
    D.subjects.push({ name: `Mean of ${name}`, label: name, samples, mean: true });
  }
}

function group(words, made) {
  const found = element("optgroup", "", { label: words });
  found.append(...made);
  return found;
}

async function start() {
  [D, A] = await unpack($("data").textContent);
  state.rank = D.rank;
  addCourses();
  makeViews();
  options($("rank"), D.ranks.map((entry, index) => [index, entry.rank]));
  $("rank").value = state.rank;
  const subjects = D.subjects.map((subject, index) => element("option", subject.label, { value: index }));
  const means = subjects.splice(subjects.length - D.courses.length);
  $("subject").append(...(means.length ? [group("Subjects", subjects), group("Means over time", means)] : subjects));
  const listed = D.subjects.flatMap((subject) => subject.samples);
  options($("one"), listed.map((sample) => [sample, [D.samples[sample], whenOf(sample)].filter(Boolean).join(", ")]));
  const offered = D.groups.map((entry, index) => [index, `${entry.names[0]} | ${entry.names[1]}`]);
  options($("contrast"), offered);
  $("has-groups").hidden = !D.groups.length;
  $("no-groups").hidden = !!D.groups.length;
  document.querySelectorAll(".subjects").forEach((place) => (place.hidden = !longitudinal()));
  wire();
  const longest = D.subjects.filter((subject) => !subject.mean).reduce((best, subject) => (subject.samples.length > best.samples.length ? subject : best));
  draw();
  chooseSample(longest.samples[0]);
  $("loading").hidden = true;
  window.gallery = { content: D, arrays: A, state, channelImage, composite, sharesOf, valuesOf, centre };
}

start().catch((error) => {
  $("loading").textContent = `This page cannot be shown here: ${error.message}. It needs a browser of 2023 or later.`;
  throw error;
});
