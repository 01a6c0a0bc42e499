// Raster: from values of taxa to pixels, I(h, w, c) = sum_i v_i a_i(h) b_i(w) f_ic, as taxoscape.raster does.

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
