// Convolution and the layers around it, on images { shape: [height, width, channels], values }.
// Kernels are { shape: [height, width, channels, filters], values }, as in Keras and dllab.scratch;
// values lie row by row, the last axis fastest. No kernel is flipped unless `flip` is called.
//
//   const y = DLLab.convolution.conv2d(x, kernel, bias, { stride: 2, padding: "same" });
DLLab.convolution = (function () {
  "use strict";

  // Where a window begins along an axis: `places` times, `stride` apart, at -before first.
  // With "same" padding, the extra one of an odd number of zeros goes to the end.
  function axis(size, window, stride, padding, dilation) {
    const span = (dilation || 1) * (window - 1) + 1;
    if (padding !== "same") {
      return { before: 0, after: 0, span: span, places: Math.max(Math.floor((size - span) / stride) + 1, 0) };
    }
    const places = Math.ceil(size / stride);
    const zeros = Math.max((places - 1) * stride + span - size, 0);
    return { before: Math.floor(zeros / 2), after: Math.ceil(zeros / 2), span: span, places: places };
  }

  // Where the window lies on both axes; options: stride (1), padding ("valid"), dilation (1).
  function grid(image, rows, columns, options) {
    const o = Object.assign({ stride: 1, padding: "valid", dilation: 1 }, options);
    return {
      stride: o.stride, dilation: o.dilation,
      high: axis(image.shape[0], rows, o.stride, o.padding, o.dilation),
      wide: axis(image.shape[1], columns, o.stride, o.padding, o.dilation),
    };
  }

  // y[i, j, f] = bias[f] + sum over p, q, c of x[s i + d p, s j + d q, c] k[p, q, c, f].
  // Outside the image are zeros, so what lies there is left out of the sum.
  function conv2d(image, kernel, bias, options) {
    const [height, width, channels] = image.shape, [kh, kw, , filters] = kernel.shape;
    const g = grid(image, kh, kw, options), x = image.values, k = kernel.values;
    const y = new Float64Array(g.high.places * g.wide.places * filters);
    for (let i = 0, at = 0; i < g.high.places; i++) {
      for (let j = 0; j < g.wide.places; j++, at += filters) {
        if (bias) for (let f = 0; f < filters; f++) y[at + f] = bias.values[f];
        for (let p = 0; p < kh; p++) {
          const row = i * g.stride - g.high.before + p * g.dilation;
          if (row < 0 || row >= height) continue;
          for (let q = 0; q < kw; q++) {
            const column = j * g.stride - g.wide.before + q * g.dilation;
            if (column < 0 || column >= width) continue;
            for (let c = 0; c < channels; c++) {
              const pixel = x[(row * width + column) * channels + c];
              if (pixel === 0) continue; // paper and what ReLU has cut: most of an image
              const start = ((p * kw + q) * channels + c) * filters;
              for (let f = 0; f < filters; f++) y[at + f] += pixel * k[start + f];
            }
          }
        }
      }
    }
    return { shape: [g.high.places, g.wide.places, filters], values: y };
  }

  // The largest number of each window of each channel; options as above, stride = size at first.
  function maxpool(image, size, options) {
    const [height, width, channels] = image.shape;
    const g = grid(image, size, size, Object.assign({ stride: size }, options));
    const y = new Float64Array(g.high.places * g.wide.places * channels).fill(-Infinity);
    const x = (row, column, c) => image.values[(row * width + column) * channels + c];
    for (let i = 0, at = 0; i < g.high.places; i++) {
      for (let j = 0; j < g.wide.places; j++, at += channels) {
        const top = i * g.stride - g.high.before, left = j * g.stride - g.wide.before;
        for (let row = Math.max(top, 0); row < Math.min(top + size, height); row++) {
          for (let column = Math.max(left, 0); column < Math.min(left + size, width); column++) {
            for (let c = 0; c < channels; c++) y[at + c] = Math.max(y[at + c], x(row, column, c));
          }
        }
      }
    }
    return { shape: [g.high.places, g.wide.places, channels], values: y };
  }

  function relu(image) {
    return { shape: image.shape, values: Float64Array.from(image.values, (v) => Math.max(v, 0)) };
  }

  // x W + b for all numbers of an image in their order, as after Keras's `Flatten`.
  function dense(image, weights, bias) {
    const [inputs, outputs] = weights.shape, y = new Float64Array(outputs);
    for (let o = 0; o < outputs; o++) y[o] = bias ? bias.values[o] : 0;
    for (let i = 0; i < inputs; i++) {
      const x = image.values[i];
      if (x === 0) continue;
      for (let o = 0; o < outputs; o++) y[o] += x * weights.values[i * outputs + o];
    }
    return { shape: [outputs], values: y };
  }

  // The kernel turned by 180 degrees: rows and columns backward, channels and filters as they are.
  function flip(kernel) {
    const [kh, kw, channels, filters] = kernel.shape, block = channels * filters;
    const values = new Float64Array(kernel.values.length);
    for (let place = 0; place < kh * kw; place++) {
      const from = (kh * kw - 1 - place) * block;
      for (let i = 0; i < block; i++) values[place * block + i] = kernel.values[from + i];
    }
    return { shape: kernel.shape, values: values };
  }

  // One channel of feature maps, or one kernel { shape: [height, width], values } of a filter.
  function slice(array, index, channel) {
    const [rows, columns, depth, filters] = array.shape;
    const step = filters === undefined ? depth : depth * filters;
    const first = filters === undefined ? index : channel * filters + index;
    const values = Float64Array.from({ length: rows * columns }, (_, i) => array.values[i * step + first]);
    return { shape: [rows, columns], values: values };
  }

  // The color of a pixel: 1 is bright and 0 dark, by day and by night, as in the book's pictures.
  function shade(value) {
    const night = document.documentElement.dataset.theme === "dark";
    return DLLab.gray(night ? value : 1 - value);
  }

  return {
    axis: axis, conv2d: conv2d, maxpool: maxpool, relu: relu, dense: dense, flip: flip, slice: slice, shade: shade,
  };
})();
