// The page: its controls, and the start.

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
    const samples = steps.map(({ when, samples: count, subjects }) => {
      D.whens.push(when);
      const of = D.subject === "sample" ? "" : ` of ${subjects} subjects`;
      return D.samples.push(`Mean of ${count} training samples${of}`) - 1;
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
