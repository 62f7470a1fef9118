/* The page: a map of the points, and what the point in it is decoded to. Text goes in as text, never as HTML. */

const about = JSON.parse(document.getElementById("data").textContent);
const { points, fields } = about;
const decode = decoderOf(about.program);
const nLatents = points.mean.length;
const z = new Float32Array(fromBase64(points.z));
const given = fields.filter((f) => f.given);
const shapes = fields.filter((f) => f.shape.length > 0);
const columns = fields.filter((f) => f.shape.length === 0 && !f.given);
const byId = (id) => document.getElementById(id);

/* Okabe and Ito's colours, which colour-blind readers tell apart, dark and light; beyond eight, other marks */
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a900", "#8a8f98"];
const MARKS = ["circle", "square", "triangle"];
const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const GREY = "#8a8f98";

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/* ---- the plane: (a, b) <-> z ---- */

const MOST_STRETCHED = 3; /* one axis against the other */
const place = (array, from) => {
  const moved = points.mean.map((m, i) => array[from + i] - m);
  return points.axes.map((axis) => dot(moved, 0, axis, 0, nLatents));
};
const places = Array.from({ length: points.n }, (_, i) => place(z, i * nLatents));
const ends = [0, 1].map((k) => places.reduce(([a, b], p) => [Math.min(a, p[k]), Math.max(b, p[k])], [0, 0]));
const centre = ends.map(([a, b]) => (a + b) / 2);
const half = ends.map(([a, b]) => 1.08 * Math.max(1e-6, (b - a) / 2));
const reach = half.map((r) => Math.max(r, Math.max(...half) / MOST_STRETCHED));
const N_NEAR = 8;

/* z at a place: in the plane as the place says, off it the mean of the points around, as far as the N_NEARth */
function latentsAt([a, b]) {
  const found = points.mean.map((m, i) => m + a * points.axes[0][i] + b * points.axes[1][i]);
  if (nLatents <= 2 || points.n === 0) return found;
  const far = places.map(([x, y]) => (x - a) ** 2 + (y - b) ** 2);
  const width = Float64Array.from(far).sort()[Math.min(N_NEAR, points.n) - 1] + 1e-12;
  let total = 0;
  const off = new Float64Array(nLatents);
  far.forEach((square, i) => {
    if (square > 12 * width) return;
    const weight = Math.exp((-2 * square) / width), [x, y] = places[i];
    total += weight;
    for (let j = 0; j < nLatents; j++) {
      const plane = points.mean[j] + x * points.axes[0][j] + y * points.axes[1][j];
      off[j] += weight * (z[i * nLatents + j] - plane);
    }
  });
  return found.map((value, j) => value + off[j] / total);
}

function nearest([a, b]) {
  let best = -1, least = Infinity;
  places.forEach(([x, y], i) => {
    const square = (x - a) ** 2 + (y - b) ** 2;
    if (isShown(i) && square < least) [best, least] = [i, square];
  });
  return best;
}

/* ---- colours ---- */

const labels = points.labels, hidden = new Set();
const isShown = (i) => !(labels && labels.names && hidden.has(labels.codes[i]));
const isOther = (code) => code < 0 || code >= COLOURS.length * MARKS.length;
function colourOf(i) {
  if (!labels) return COLOURS[0];
  if (labels.names) return isOther(labels.codes[i]) ? GREY : COLOURS[labels.codes[i] % COLOURS.length];
  const value = labels.numbers[i];
  return value === null ? GREY : ramp((value - labels.low) / (labels.high - labels.low || 1));
}
const markOf = (code) => MARKS[isOther(code) ? 0 : Math.floor(code / COLOURS.length)];
function ramp(t) {
  const at = Math.min(Math.max(t, 0), 1) * (RAMP.length - 1), i = Math.min(Math.floor(at), RAMP.length - 2);
  return `rgb(${RAMP[i].map((c, k) => Math.round(c + (at - i) * (RAMP[i + 1][k] - c))).join()})`;
}

function drawMark(context, mark, x, y, size) {
  context.beginPath();
  if (mark === "circle") context.arc(x, y, size, 0, 2 * Math.PI);
  if (mark === "square") context.rect(x - size * 0.9, y - size * 0.9, size * 1.8, size * 1.8);
  if (mark === "triangle") {
    context.moveTo(x, y - size * 1.2);
    context.lineTo(x + size * 1.1, y + size * 0.9);
    context.lineTo(x - size * 1.1, y + size * 0.9);
  }
  context.fill();
}

function drawLegend() {
  const list = byId("legend");
  if (labels && labels.names) {
    labels.names.slice(0, COLOURS.length * MARKS.length).forEach((name, code) => {
      const key = element("canvas", { width: 28, height: 28 }), context = key.getContext("2d");
      context.fillStyle = COLOURS[code % COLOURS.length];
      drawMark(context, markOf(code), 14, 14, 9);
      const button = element("button", { type: "button", title: `Show or hide ${name}` }, key, name);
      button.setAttribute("aria-pressed", "true");
      button.onclick = () => {
        const isHidden = !hidden.delete(code) && Boolean(hidden.add(code));
        button.setAttribute("aria-pressed", String(!isHidden));
        drawBackground();
        draw();
      };
      list.append(element("li", {}, button));
    });
  } else if (labels) {
    const bar = element("canvas", { width: 120, height: 1 }), context = bar.getContext("2d");
    for (let x = 0; x < 120; x++) {
      context.fillStyle = ramp(x / 119);
      context.fillRect(x, 0, 1, 1);
    }
    const [low, high] = [labels.low, labels.high].map((v) => String(Number(v.toPrecision(4))));
    list.append(element("li", { className: "ramp" }, `${points.label}: ${low}`, bar, high));
  }
}

/* ---- the map ---- */

const map = byId("map"), context = map.getContext("2d"), background = document.createElement("canvas");
let side = 0;
const toPixels = ([a, b]) => [(((a - centre[0]) / reach[0] + 1) * side) / 2, ((1 - (b - centre[1]) / reach[1]) * side) / 2];
const fromPixels = (x, y) => [centre[0] + ((2 * x) / side - 1) * reach[0], centre[1] + (1 - (2 * y) / side) * reach[1]];

function resize() {
  side = Math.round(map.clientWidth * devicePixelRatio);
  for (const canvas of [map, background]) canvas.width = canvas.height = side;
  drawBackground();
  draw();
}

function drawBackground() {
  const to = background.getContext("2d"), size = Math.max(2, Math.min(4.5, 140 / Math.sqrt(points.n + 1))) * devicePixelRatio;
  to.clearRect(0, 0, side, side);
  to.globalAlpha = 0.75;
  places.forEach((p, i) => {
    if (!isShown(i)) return;
    to.fillStyle = colourOf(i);
    drawMark(to, labels && labels.names ? markOf(labels.codes[i]) : "circle", ...toPixels(p), size);
  });
}

function drawMap() {
  if (!side) return; /* before it has a place on the page */
  const style = getComputedStyle(document.documentElement), r = devicePixelRatio;
  const [ink, card] = ["--ink", "--card"].map((name) => resolved(style.getPropertyValue(name)));
  context.clearRect(0, 0, side, side);
  context.drawImage(background, 0, 0);
  context.strokeStyle = ink;
  context.lineWidth = 2 * r;
  context.beginPath();
  path.forEach((p, i) => (i ? context.lineTo(...toPixels(p)) : context.moveTo(...toPixels(p))));
  context.stroke();
  const [x, y] = toPixels(at);
  for (const [colour, width] of [[card, 7], [ink, 3]]) {
    context.strokeStyle = colour;
    context.lineWidth = width * r;
    context.beginPath();
    context.arc(x, y, 9 * r, 0, 2 * Math.PI);
    context.stroke();
  }
}

/* canvases take no light-dark(...) */
const isDark = matchMedia("(prefers-color-scheme: dark)");
function resolved(value) {
  const pair = /light-dark\((.+),(.+)\)/.exec(value);
  return pair ? pair[isDark.matches ? 2 : 1].trim() : value;
}

/* ---- what is decoded ---- */

let at = [0, 0], path = [], latents = points.mean.slice(), inputs = [];
const givenValues = Float64Array.from(given, (f) => f.usual);
let librarySize = about.library ? about.library[1] : 0;

function decoded(of) {
  return decode(of, ...(given.length ? [givenValues] : []), ...(about.library ? [[librarySize]] : []));
}

function textOf(field, value) {
  if (field.categories.length) {
    const name = field.categories[Math.min(Math.max(Math.round(value), 0), field.categories.length - 1)];
    return name === null ? "missing" : name;
  }
  if (Number.isNaN(value)) return "missing";
  if (field.isDate) {
    const seconds = field.step ? Math.round(value / field.step) * field.step : value;
    const date = new Date(seconds * 1000);
    if (Number.isNaN(date.getTime())) return String(value);
    return field.step >= 86400 ? date.toISOString().slice(0, 10) : date.toISOString().slice(0, 19).replace("T", " ");
  }
  return field.decimals === null ? String(Number(value.toPrecision(5))) : value.toFixed(field.decimals);
}

function shareOf(field, value) {
  const [low, high] = field.ends;
  return high > low ? 100 * Math.min(1, Math.max(0, (value - low) / (high - low))) : 0;
}

const isImage = (field) => field.shape.length === 2 || field.shape.length === 3;

function drawImage(canvas, field, values) {
  const [height, width, n = 1] = field.shape, to = canvas.getContext("2d"), image = to.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = 2.55 * shareOf(field, values[field.first + i * n + (n >= 3 ? c : 0)]);
    image.data[4 * i + 3] = 255;
  }
  to.putImageData(image, 0, 0);
}

function drawCurve(canvas, field, values) {
  const to = canvas.getContext("2d"), { width, height } = canvas;
  const style = getComputedStyle(document.documentElement);
  to.clearRect(0, 0, width, height);
  to.strokeStyle = resolved(style.getPropertyValue("--point"));
  to.lineWidth = 2;
  to.beginPath();
  for (let i = 0; i < field.size; i++) {
    const x = ((i + 0.5) * width) / field.size;
    to.lineTo(x, height - 4 - ((height - 8) * shareOf(field, values[field.first + i])) / 100);
  }
  to.stroke();
}

const pictures = shapes.map((field) => {
  const canvas = isImage(field)
    ? element("canvas", { className: "pixels", width: field.shape[1], height: field.shape[0] })
    : element("canvas", { className: "curve", width: 640, height: 240 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${field.name}, decoded`);
  byId("pictures").append(element("figure", {}, canvas, element("figcaption", { textContent: field.name === "x" ? "" : field.name })));
  return canvas;
});
const cells = columns.map((field) => {
  const value = element("td", { className: "value" }), bar = element("i");
  const tail = element("td", { className: "bar" }, ...(field.categories.length ? [] : [bar]));
  const line = element("tr", {}, element("th", { textContent: field.name, scope: "row" }), value, tail);
  byId("row").tBodies[0].append(line);
  return { value, bar };
});

function drawDecoded() {
  const values = decoded(latents);
  shapes.forEach((field, i) => (isImage(field) ? drawImage : drawCurve)(pictures[i], field, values));
  columns.forEach((field, i) => {
    cells[i].value.textContent = textOf(field, values[field.first]);
    cells[i].bar.style.setProperty("--at", shareOf(field, values[field.first]));
  });
}

/* ---- moving ---- */

let isDue = false;
function draw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    drawMap();
    drawDecoded();
    for (const { input, output, j } of inputs) {
      input.value = latents[j];
      output.textContent = latents[j].toFixed(2);
    }
    const i = nearest(at);
    byId("nearest").textContent = i < 0 ? "" : `Nearest row: ${points.rows[i]}${labelOf(i)}`;
  });
}

function labelOf(i) {
  if (!labels) return "";
  const value = labels.names ? labels.names[labels.codes[i]] : labels.numbers[i];
  return `, ${points.label} ${value ?? "missing"}`;
}

function moveTo(p) {
  at = p.map((v, k) => Math.min(centre[k] + reach[k], Math.max(centre[k] - reach[k], v)));
  latents = latentsAt(at);
  draw();
}

function extend(p) {
  path.push(p);
  byId("play").disabled = path.length < 2;
  moveTo(p);
}

const of = (event) => {
  const box = map.getBoundingClientRect(), scale = side / box.width;
  return fromPixels((event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
};
map.onpointerdown = (event) => {
  stop();
  map.setPointerCapture(event.pointerId);
  path = [];
  extend(of(event));
};
map.onpointermove = (event) => map.hasPointerCapture(event.pointerId) && extend(of(event));
map.onpointerup = map.onpointercancel = drawStrip;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
map.onkeydown = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = event.shiftKey ? 0.1 : 0.02;
  if (event.key in ARROWS) extend(at.map((v, i) => v + step * reach[i] * ARROWS[event.key][i]));
  else if (event.key === "Home") { path = []; extend([0, 0]); }
  else if (event.key.toLowerCase() === "p") play();
  else return;
  event.preventDefault();
  drawStrip();
};

/* pictures along the path, evenly by its length */
function along(t) {
  const lengths = path.map((p, i) => (i ? Math.hypot(p[0] - path[i - 1][0], p[1] - path[i - 1][1]) : 0));
  let left = t * lengths.reduce((a, b) => a + b, 0), i = 1;
  while (i < path.length - 1 && left > lengths[i]) left -= lengths[i++];
  const share = lengths[i] ? left / lengths[i] : 0;
  return path[i - 1].map((v, k) => v + share * (path[i][k] - v));
}
const N_STRIP = 9;
function drawStrip() {
  const field = shapes.find(isImage), strip = byId("strip");
  if (!field) return;
  strip.replaceChildren();
  if (path.length < 2) return;
  for (let i = 0; i < N_STRIP; i++) {
    const canvas = element("canvas", { width: field.shape[1], height: field.shape[0] });
    drawImage(canvas, field, decoded(latentsAt(along(i / (N_STRIP - 1)))));
    strip.append(canvas);
  }
}

const PLAYED = 4000;
let playing = 0;
function stop() {
  cancelAnimationFrame(playing);
  playing = 0;
  byId("play").textContent = "Play the path";
}
function play() {
  if (playing) return stop();
  if (path.length < 2) return undefined;
  const start = performance.now();
  byId("play").textContent = "Stop";
  const frame = (now) => {
    const t = Math.min(1, (now - start) / PLAYED);
    moveTo(along(t));
    if (t < 1) playing = requestAnimationFrame(frame);
    else stop();
  };
  playing = requestAnimationFrame(frame);
  return undefined;
}
byId("play").onclick = play;

/* ---- sliders ---- */

function slider(name, low, high, step, value, show, changed) {
  const input = element("input", { type: "range", min: low, max: high, step }), output = element("output");
  input.value = value;
  output.textContent = show(Number(input.value));
  input.oninput = () => {
    output.textContent = show(Number(input.value));
    changed(Number(input.value));
  };
  return { line: element("label", {}, name, input, output), input, output };
}

given.forEach((field, i) => {
  const set = (value) => {
    givenValues[i] = value;
    draw();
    drawStrip();
  };
  if (field.categories.length) {
    const options = field.categories.map((name, value) => element("option", { value, textContent: name ?? "missing" }));
    const select = element("select", { onchange: () => set(Number(select.value)) }, ...options);
    select.value = field.usual;
    byId("given").append(element("label", {}, field.name, select));
  } else {
    const step = field.isDate ? field.step || 1 : field.decimals === null ? (field.high - field.low) / 200 : 10 ** -field.decimals;
    const made = slider(field.name, field.low, field.high, step, givenValues[i], (v) => textOf(field, v), set);
    givenValues[i] = Number(made.input.value);
    byId("given").append(made.line);
  }
});
if (about.library) {
  const [low, usual, high] = about.library;
  const set = (v) => { librarySize = v; draw(); };
  byId("given").append(slider("library size", low, high, 1, usual, (v) => v.toFixed(0), set).line);
}
inputs = points.order.map((j) => {
  let low = -3, high = 3;
  for (let i = 0; i < points.n; i++) [low, high] = [Math.min(low, z[i * nLatents + j]), Math.max(high, z[i * nLatents + j])];
  const made = slider(`z${j}`, low, high, (high - low) / 400, latents[j], (v) => v.toFixed(2), (v) => {
    latents = latents.slice();
    latents[j] = v;
    at = place(latents, 0);
    draw();
  });
  document.querySelector("#latents .sliders").append(made.line);
  return { ...made, j };
});
byId("latents").open = shapes.length === 0;

byId("title").textContent = about.title;
byId("row").hidden = columns.length === 0;
document.querySelector(".path").classList.toggle("rows", !shapes.some(isImage));
byId("summary").textContent =
  `${points.n.toLocaleString("en")} rows by their posterior means` +
  (nLatents > 2 ? `, seen along their two principal components, which hold ${Math.round(100 * points.share)} % of the variance of ${nLatents} latents; off this plane z is that of the rows around` : "") +
  `. What is shown beside the map is decoded in this page.`;
drawLegend();
new ResizeObserver(resize).observe(map);
isDark.addEventListener("change", () => { drawBackground(); draw(); });
moveTo([0, 0]);

/* for tests, and for whoever wants numbers */
window.explorer = { about, decode: (of, c, size) => Array.from(decode(of, ...[c, size].filter((v) => v !== undefined))), latentsAt, moveTo };
