// The course: the communities of a subject, or the means of many samples, one time point after another.

function drawCourse() {
  const subject = D.subjects[subjectOf(state.sample)], places = subject.samples, canvas = $("course");
  const [context] = fit(canvas);
  const top = subject.mean ? drawMeans(context, places) : drawBars(context, places);
  const several = Math.round(100 * D.coverage), sure = subject.mean && places.some((sample) => cladeSpans(sample)[0][0] >= 0);
  $("course-how").textContent = subject.mean
    ? `A line is the mean share of a ${rank().rank} (0 at the bottom, ${percent(top)} at the top), ${sure ? `its band the ${several} % interval over subjects (${D.subject})` : `without intervals: too few subjects (${D.subject})`}; the framed time is shown.`
    : `A bar is a time point, split by ${rank().rank}; the framed one is shown.`;
  const ends = [places[0], places[places.length - 1]].map((sample) => whenOf(sample));
  $("course-ticks").replaceChildren(...(places.length > 1 ? ends : ends.slice(1)).map((words) => element("span", words)));
  $("course-title").textContent = places.length > 1 ? `${subject.name} over time` : "Composition";
  canvas.setAttribute("aria-label", `Shares of the clades in ${places.length} samples of ${subject.name}, in the order of time`);
}

/** Stacked bars: the clades of each sample of the subject, in the order of time; the one shown is framed. */
function drawBars(context, places) {
  const { width, height } = context.canvas, step = width / places.length;
  places.forEach((sample, at) => {
    let top = height;
    cladeShares(sharesOf(sample)).forEach((share, index) => {
      context.fillStyle = rank().colours[index];
      context.fillRect(at * step + 0.5, top - share * height, Math.max(step - 1, 1), share * height + 0.5);
      top -= share * height;
    });
  });
  frame(context, places);
}

/** Lines with bands: the mean share of each clade at each step and its interval. The share at the top comes back. */
function drawMeans(context, places) {
  const { width, height } = context.canvas, step = width / places.length, ratio = window.devicePixelRatio || 1;
  const means = places.map((sample) => cladeShares(sharesOf(sample))), spans = places.map(cladeSpans);
  const top = 1.05 * Math.max(...means.flatMap((shares) => [...shares]), ...spans.flat(2).filter((value) => value >= 0));
  const x = (at) => (at + 0.5) * step, y = (share) => height * (1 - share / top);
  const path = (points) => {
    context.beginPath();
    points.forEach(([at, share]) => context.lineTo(x(at), y(share)));
  };
  rank().colours.forEach((colour, index) => {
    const low = spans.map((span, at) => [at, span[index][0]]), high = spans.map((span, at) => [at, span[index][1]]);
    const line = means.map((shares, at) => [at, shares[index]]);
    Object.assign(context, { fillStyle: colour, strokeStyle: colour, lineWidth: 2 * ratio, lineJoin: "round" });
    for (const stretch of stretches(low)) {
      context.globalAlpha = 0.25;
      path([...stretch, ...stretch.map(([at]) => high[at]).reverse()]);
      context.fill();
    }
    context.globalAlpha = 1;
    path(line);
    context.stroke();
  });
  frame(context, places);
  return top;
}

/** Runs of neighbouring steps that have an interval. */
function stretches(points) {
  const runs = [[]];
  for (const point of points) {
    if (point[1] >= 0) runs[runs.length - 1].push(point);
    else runs.push([]);
  }
  return runs.filter((run) => run.length);
}

function frame(context, places) {
  const { width, height } = context.canvas, step = width / places.length;
  context.strokeStyle = css("--ring");
  context.lineWidth = (window.devicePixelRatio || 1) * 3;
  context.strokeRect(places.indexOf(state.sample) * step + 1, 1, Math.max(step - 2, 2), height - 2);
}
