// A sample: which one is shown, its picture, what is known of it.

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
  const entries = cladeLegend($("image-clades"), [shares], { spans: isMean(state.sample) ? cladeSpans(state.sample) : [] });
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
