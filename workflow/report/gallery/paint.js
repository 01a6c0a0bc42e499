// Paint: from pixels and taxa to coloured canvases.

const FAINTEST = 1e-4, FULL = 1e-1; // share of reads in a pixel drawn faintly, and in full colour (previews/paint.py)

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const triple = (name) => css(name).split(/\s+/).map(Number);
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
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
