"use strict";
// What the page holds (taxoscape/previews/gallery.py packs it), unpacked, and what is looked at. The scripts of this
// folder are written into the page one after another (taxoscape.previews.gallery.SCRIPTS) and share one scope.
// Texts reach the page as textContent only.

const $ = (id) => document.getElementById(id);
let D, A; // content, arrays
const WHO = -1; // the view that is no channel
const state = { rank: 0, sample: 0, view: WHO, contrast: 0, taxon: -1, wanted: new Set() };

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

const rank = () => D.ranks[state.rank];
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

/** Interval of the mean share of each clade of the rank shown, at a step of a course; NaN with too few subjects. */
function cladeSpans(sample) {
  const before = D.ranks.slice(0, state.rank).reduce((sum, entry) => sum + entry.clades.length, 0);
  const start = (sample - A.counts.shape[0]) * A.clade_low.shape[1] + before;
  return rank().clades.map((_, index) => [A.clade_low[start + index], A.clade_high[start + index]]);
}

function cladeShares(shares) {
  const sums = new Float64Array(rank().clades.length);
  shares.forEach((share, i) => (sums[rank().of[i]] += share));
  return sums;
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
