// Words: numbers as people write them, elements, legends.

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

/**
 * Which colour is which clade, with its share of the reads in each of the pictures shown, the largest first; `spans`
 * are the intervals of the shares of one picture.
 */
function cladeLegend(place, pictures, { withTaxa = false, spans = [] } = {}) {
  const sums = pictures.map(cladeShares);
  const entries = rank().clades.map((name, index) => {
    const shares = sums.map((of) => of[index]);
    return { name, index, shares, most: Math.max(...shares) };
  });
  entries.sort((a, b) => b.most - a.most);
  place.replaceChildren(
    ...entries.map(({ name, index, shares }) => {
      const line = element("span"), more = name === "other" ? ` (${rank().others} more)` : "";
      const [low, high] = spans[index] ?? [];
      const span = low >= 0 ? ` (${percent(low)} to ${percent(high)})` : "";
      line.append(chip(rank().colours[index]), `${name}${more}`, element("b", shares.map(percent).join(" → ") + span));
      const taxa = rank().of.filter((of) => of === index).length;
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
