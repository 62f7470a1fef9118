"use strict";
/* Runs the steps of a decoder (program.py): every step fills one register, an array of numbers. */

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/* a series near 0, a continued fraction beyond */
function erf(x) {
  const a = Math.abs(x);
  if (a > 2.5) return Math.sign(x) * (1 - erfcFar(a));
  let term = a, sum = a;
  for (let n = 1; n < 60; n++) sum += (term *= (-a * a) / n) / (2 * n + 1);
  return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
}
function erfcFar(x) {
  let f = 0;
  for (let n = 60; n > 0; n--) f = n / 2 / (x + f);
  return Math.exp(-x * x) / ((x + f) * Math.sqrt(Math.PI));
}
const erfc = (x) => (x > 2.5 ? erfcFar(x) : 1 - erf(x));

function roundToEven(x) {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

const ELEMENTWISE = {
  add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b, div: (a, b) => a / b, pow: Math.pow,
  minimum: (a, b) => (a < b ? a : b), maximum: (a, b) => (a > b ? a : b),
  gt: (a, b) => +(a > b), ge: (a, b) => +(a >= b), lt: (a, b) => +(a < b), le: (a, b) => +(a <= b),
  eq: (a, b) => +(a === b), ne: (a, b) => +(a !== b), not: (a) => +!a, and: (a, b) => +(a && b), or: (a, b) => +(a || b),
  where: (c, a, b) => (c ? a : b), sigmoid, exp: Math.exp, expm1: Math.expm1, log: Math.log, log1p: Math.log1p,
  neg: (a) => -a, abs: Math.abs, tanh: Math.tanh, sin: Math.sin, cos: Math.cos, sqrt: Math.sqrt,
  rsqrt: (a) => 1 / Math.sqrt(a), reciprocal: (a) => 1 / a, round: roundToEven, sign: Math.sign, erf, erfc,
  isnan: (a) => +Number.isNaN(a), trunc: Math.trunc,
};

/* four sums, which do not wait for each other */
function dot(x, from, w, at, n) {
  let s = 0, t = 0, u = 0, v = 0, i = 0;
  for (; i < n - 3; i += 4) {
    s += x[from + i] * w[at + i];
    t += x[from + i + 1] * w[at + i + 1];
    u += x[from + i + 2] * w[at + i + 2];
    v += x[from + i + 3] * w[at + i + 3];
  }
  for (; i < n; i++) s += x[from + i] * w[at + i];
  return s + t + (u + v);
}

const STEPS = {
  join(out, ...parts) {
    let at = 0;
    for (const part of parts) { out.set(part, at); at += part.length; }
  },
  take(out, x, index, fill) {
    for (let i = 0; i < out.length; i++) out[i] = index[i] < 0 ? fill : x[index[i]];
  },
  repeat(out, x, n) { for (let i = 0, at = 0; i < x.length; i++) for (let k = 0; k < n; k++) out[at++] = x[i]; },
  tile(out, x) { for (let at = 0; at < out.length; at += x.length) out.set(x, at); },
  scatter(out, base, index, source) {
    out.set(base);
    for (let i = 0; i < index.length; i++) out[index[i]] = source[i];
  },
  linear(out, x, w, b, k, n) {
    for (let row = 0, at = 0; at < out.length; row += k) {
      for (let j = 0; j < n; j++, at++) out[at] = dot(x, row, w, j * k, k) + (b ? b[j] : 0);
    }
  },
  /* x (channels, height, width), w (outputs, k, k, channels): with channels last and a frame of zeros, the k pixels of
     one row under the kernel are one piece of memory */
  conv(out, x, w, b, channels, height, width, k, pad) {
    const wide = width + 2 * pad, tall = height + 2 * pad, framed = new Float64Array(tall * wide * channels);
    for (let c = 0, from = 0; c < channels; c++) {
      for (let y = 0; y < height; y++) {
        for (let i = 0, at = ((y + pad) * wide + pad) * channels + c; i < width; i++, at += channels) framed[at] = x[from++];
      }
    }
    const w1 = wide - k + 1, h1 = tall - k + 1, piece = k * channels;
    for (let o = 0, at = 0; o < b.length; o++) {
      for (let y = 0; y < h1; y++) {
        for (let i = 0; i < w1; i++, at++) {
          let s = b[o];
          for (let dy = 0; dy < k; dy++) {
            s += dot(framed, ((y + dy) * wide + i) * channels, w, (o * k + dy) * piece, piece);
          }
          out[at] = s;
        }
      }
    }
  },
  norm(out, x, n, eps) {
    for (let at = 0; at < x.length; at += n) {
      let mean = 0, square = 0;
      for (let i = 0; i < n; i++) mean += x[at + i] / n;
      for (let i = 0; i < n; i++) square += (x[at + i] - mean) ** 2 / n;
      const scale = 1 / Math.sqrt(square + eps);
      for (let i = 0; i < n; i++) out[at + i] = (x[at + i] - mean) * scale;
    }
  },
  sum(out, x, n) {
    for (let j = 0; j < out.length; j++) {
      let s = 0;
      for (let i = j * n; i < (j + 1) * n; i++) s += x[i];
      out[j] = s;
    }
  },
  max(out, x, n) { for (let j = 0; j < out.length; j++) out[j] = x[best(x, j * n, n)]; },
  argmax(out, x, n) { for (let j = 0; j < out.length; j++) out[j] = best(x, j * n, n) - j * n; },
  softmax(out, x, n) { STEPS.logsoftmax(out, x, n); for (let i = 0; i < out.length; i++) out[i] = Math.exp(out[i]); },
  logsoftmax(out, x, n) {
    for (let at = 0; at < x.length; at += n) {
      const top = x[best(x, at, n)];
      let s = 0;
      for (let i = at; i < at + n; i++) s += Math.exp(x[i] - top);
      const total = top + Math.log(s);
      for (let i = at; i < at + n; i++) out[i] = x[i] - total;
    }
  },
  /* what large registers are filled by has a loop of its own, which is several times as fast as a call a number */
  sigmoid(out, a) { for (let i = 0; i < out.length; i++) out[i] = 1 / (1 + Math.exp(-a[i])); },
  add(out, a, b) {
    if (typeof b === "number") for (let i = 0; i < out.length; i++) out[i] = a[i] + b;
    else for (let i = 0; i < out.length; i++) out[i] = a[i] + b[i];
  },
  sub(out, a, b) {
    if (typeof b === "number") STEPS.add(out, a, -b);
    else for (let i = 0; i < out.length; i++) out[i] = a[i] - b[i];
  },
  mul(out, a, b) {
    if (typeof b === "number") for (let i = 0; i < out.length; i++) out[i] = a[i] * b;
    else for (let i = 0; i < out.length; i++) out[i] = a[i] * b[i];
  },
  div(out, a, b) {
    if (typeof b === "number") STEPS.mul(out, a, 1 / b);
    else for (let i = 0; i < out.length; i++) out[i] = a[i] / b[i];
  },
};

function best(x, from, n) {
  let at = from;
  for (let i = from + 1; i < from + n; i++) if (x[i] > x[at]) at = i;
  return at;
}

function each(out, f, ...given) {
  const [a, b, c] = given.map((g) => (typeof g === "number" ? null : g)), [s, t, u] = given;
  for (let i = 0; i < out.length; i++) out[i] = f(a ? a[i] : s, b ? b[i] : t, c ? c[i] : u);
}

function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return bytes.buffer;
}

/* 16-bit floating point: sign, 5 bits of exponent, 10 of fraction */
function fromHalf(buffer) {
  return Float32Array.from(new Uint16Array(buffer), (h) => {
    const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return exponent === 31 ? (fraction ? NaN : sign * Infinity) : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

const ARRAYS = {
  half: fromHalf,
  float: (buffer) => new Float32Array(buffer),
  double: (buffer) => new Float64Array(buffer),
  int: (buffer) => new Int32Array(buffer),
};

/* A program as a function of arrays; what it returns is overwritten by the next call. What depends on constants alone is
   computed once. */
function decoderOf({ inputs, constants, steps, output }) {
  const registers = inputs.map((n) => new Float64Array(n)), fixed = new Set(), calls = [];
  for (const [at, kind, text] of constants) {
    registers[at] = ARRAYS[kind](fromBase64(text));
    fixed.add(at);
  }
  const isRegister = (given) => given !== null && typeof given === "object";
  for (const [name, at, n, given] of steps) {
    const out = (registers[at] = new Float64Array(n));
    const filled = given.map((g) => (isRegister(g) ? registers[g.r] : g));
    const call = STEPS[name] && typeof filled[0] !== "number"
      ? () => STEPS[name](out, ...filled)
      : () => each(out, ELEMENTWISE[name], ...filled);
    if (given.filter(isRegister).every((g) => fixed.has(g.r))) {
      call();
      fixed.add(at);
    } else {
      calls.push(Object.assign(call, { step: name }));
    }
  }
  const run = (...given) => {
    given.forEach((array, i) => registers[i].set(array));
    for (const call of calls) call();
    return registers[output];
  };
  return Object.assign(run, { calls });
}
