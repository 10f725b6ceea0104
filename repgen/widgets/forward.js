// One forward pass for every widget: layers from JSON, weights from one buffer.

const HALF = Float64Array.from({ length: 32 }, (_, e) => 2 ** (e - 15));

/** float16 numbers (a Uint16Array of their bits) as a Float32Array. */
function halfToFloat(bits) {
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i], e = (b >> 10) & 31, m = b & 1023;
    const size = e ? HALF[e] * (1 + m / 1024) : m * 2 ** -24;
    out[i] = b & 0x8000 ? -size : size;
  }
  return out;
}

/** The numbers of a DataView, copied: a view need not be aligned. dtype: float16, float32, uint16 or uint8. */
function numbers(view, dtype) {
  const bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  if (dtype === "float32") return new Float32Array(bytes);
  if (dtype === "float16") return halfToFloat(new Uint16Array(bytes));
  return dtype === "uint16" ? new Uint16Array(bytes) : new Uint8Array(bytes);
}

/** A layer that works on each number by itself. */
const each = (f) => () => (x) => {
  for (let i = 0; i < x.length; i++) x[i] = f(x[i]);
  return x;
};

/** A convolution (up: a transposed one). Pixel (i, j) of the smaller maps and (ky, kx) of the kernel meet at one place of
    the bigger maps, if it is inside; the weights are (channels of the smaller maps, channels of the bigger, ky, kx). */
const convolution = (up) => ({ in: from, out: to, kernel: [KY, KX], stride: [sy, sx], padding: [py, px] }, take) => {
  const [A, H, W] = up ? from : to, [B, M, N] = up ? to : from, Q = B * KY * KX;
  let w = take(A * Q); // (A, Q), or for up (Q, A): the innermost loop then runs along it
  if (up) w = Float32Array.from(w, (_, k) => w[(k % A) * Q + Math.floor(k / A)]);
  const b = take(to[0]), size = to[1] * to[2], y = new Float32Array(to[0] * size), v = new Float64Array(up ? A : Q);
  return (x) => {
    for (let c = 0; c < to[0]; c++) y.fill(b[c], c * size, (c + 1) * size);
    for (let i = 0; i < H; i++) for (let j = 0; j < W; j++) {
      if (up) for (let a = 0; a < A; a++) v[a] = x[(a * H + i) * W + j];
      for (let c = 0, q = 0; c < B; c++) for (let ky = 0; ky < KY; ky++) for (let kx = 0; kx < KX; kx++, q++) {
        const m = i * sy - py + ky, n = j * sx - px + kx, place = (c * M + m) * N + n;
        const inside = m >= 0 && m < M && n >= 0 && n < N;
        if (!up) v[q] = inside ? x[place] : 0;
        else if (inside) y[place] += dot(w, q * A, v, A);
      }
      if (!up) for (let a = 0; a < A; a++) y[(a * H + i) * W + j] += dot(w, a * Q, v, Q);
    }
    return y;
  };
};

function dot(w, at, v, n) {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += w[at + k] * v[k];
  return sum;
}

// type -> (its JSON, take(n): the next n weights, all weights) -> (x: Float32Array) -> Float32Array.
// A new kind of layer is one entry here and one in network.py.
const LAYERS = {
  linear({ n_in, n_out }, take) {
    const w = take(n_in * n_out), b = take(n_out), y = new Float32Array(n_out);
    return (x) => {
      for (let i = 0, k = 0; i < n_out; i++) {
        let sum = b[i];
        for (let j = 0; j < n_in; j++, k++) sum += w[k] * x[j];
        y[i] = sum;
      }
      return y;
    };
  },
  // The weights of an earlier linear layer, used the other way; `at` is their place in the buffer.
  transposed({ n_in, n_out, at }, take, weights) {
    const w = weights.subarray(at, at + n_in * n_out), b = take(n_out), y = new Float64Array(n_out);
    return (x) => {
      y.set(b);
      for (let j = 0, k = 0; j < n_in; j++) for (let i = 0; i < n_out; i++, k++) y[i] += w[k] * x[j];
      return Float32Array.from(y);
    };
  },
  conv: convolution(false),
  conv_transposed: convolution(true),
  sigmoid: each((x) => 1 / (1 + Math.exp(-x))),
  tanh: each(Math.tanh),
  relu: each((x) => (x > 0 ? x : 0)),
  elu: ({ alpha }) => each((x) => (x > 0 ? x : alpha * Math.expm1(x)))(),
  leaky_relu: ({ slope }) => each((x) => (x > 0 ? x : slope * x))(),
  softplus: ({ beta, threshold }) =>
    each((x) => (beta * x > threshold ? x : Math.log1p(Math.exp(beta * x)) / beta))(),
};

/** { n_in, n_out, forward(z) }, and for a path image -> code -> image { n_code, encode(x), decode(z) } too.
    The arrays that these return are overwritten by the next call. */
function buildNetwork(spec, view) {
  const weights = numbers(view, spec.dtype);
  let at = 0;
  const take = (n) => weights.subarray(at, (at += n));
  const layers = spec.layers.map((layer) => {
    if (!LAYERS[layer.type]) throw new Error(`unknown layer "${layer.type}"`);
    return LAYERS[layer.type](layer, take, weights);
  });
  if (at !== weights.length) throw new Error(`the layers take ${at} weights, the buffer holds ${weights.length}`);
  const run = (layers, n_in, from, to) => (x) => {
    if (x.length !== n_in) throw new Error(`${from} of ${x.length} numbers for ${to} of ${n_in}`);
    return layers.reduce((x, layer) => layer(x), Float32Array.from(x));
  };
  const { n_in, n_out, n_code, n_encoder } = spec;
  if (!n_encoder) return { n_in, n_out, forward: run(layers, n_in, "a code", "a decoder") };
  return {
    n_in, n_out, n_code,
    forward: run(layers, n_in, "an image", "an encoder"),
    encode: run(layers.slice(0, n_encoder), n_in, "an image", "an encoder"),
    decode: run(layers.slice(n_encoder), n_code, "a code", "a decoder"),
  };
}

/** The network that a widget's model refers to; its weights are shared by all who do. */
async function loadNetwork(model, reference = model.get("network")) {
  const shared = await model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));
  return buildNetwork(shared.get("spec"), shared.get("weights"));
}
