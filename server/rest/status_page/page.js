"use strict";

// The page asks for its data again and again, and writes it as text only: nothing that a server, a label or a file name
// says is ever taken for markup.

const REFRESH_MS = 2000;
const LARGEST_SIDE = 800;
const COLOURS = ["#dc2626", "#2563eb", "#16a34a", "#d97706", "#9333ea", "#0891b2"];
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);

function cell(content, className = "") {
  const element = document.createElement("td");
  element.className = className;
  element.append(content);
  return element;
}

function row(...cells) {
  const element = document.createElement("tr");
  element.append(...cells);
  return element;
}

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "longer";
  return seconds >= 1 ? `${seconds.toPrecision(3)} s` : `${(seconds * 1000).toPrecision(3)} ms`;
}

const bytes = (count) => `${(count / 1e6).toFixed(1)} MB`;

function versionRows(model) {
  return model.versions.map((version) => {
    const state = cell(version.state, version.state);
    if (version.error) {
      const reason = document.createElement("div");
      reason.className = "failed";
      reason.textContent = version.error;
      state.append(reason);
    }
    const device = cell(version.description ?? "");
    if (version.health && version.health.state !== "up") {
      const degraded = document.createElement("div");
      degraded.className = "failed";
      degraded.textContent =
        `The device is ${version.health.state}: ${version.health.last_error}. ` +
        `The CPU answers in its place, ${version.health.fallback_images} pictures so far.`;
      device.append(degraded);
    }
    const labels = Object.entries(model.labels).filter(([, number]) => number === version.version);
    const serving = version.description !== null;
    return row(
      cell(model.name),
      cell(String(version.version), "number"),
      state,
      cell(labels.map(([label]) => label).join(", ")),
      device,
      cell(serving ? bytes(version.memory_bytes) : "", "number"),
      cell(String(model.waiting_images), "number"),
      cell(String(model.images_answered), "number"),
    );
  });
}

// The upper limit of the bucket that holds the given share of all requests.
function within(latency, share) {
  const total = latency.counts.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (const [index, count] of latency.counts.entries()) {
    seen += count;
    if (seen >= share * total) return latency.limits_seconds[index] ?? Infinity;
  }
  return Infinity;
}

function bars(latency, description) {
  const svg = document.createElementNS(SVG, "svg");
  const largest = Math.max(...latency.counts, 1);
  svg.setAttribute("class", "bars");
  svg.setAttribute("viewBox", `0 0 ${latency.counts.length} 1`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", description);
  for (const [index, count] of latency.counts.entries()) {
    const bar = document.createElementNS(SVG, "rect");
    const height = count / largest;
    for (const [name, value] of Object.entries({ x: index + 0.1, y: 1 - height, width: 0.8, height })) {
      bar.setAttribute(name, value);
    }
    svg.append(bar);
  }
  return svg;
}

function latencyRows(model) {
  return model.latencies.map((latency) => {
    const total = latency.counts.reduce((sum, count) => sum + count, 0);
    const half = duration(within(latency, 0.5));
    const most = duration(within(latency, 0.99));
    return row(
      cell(model.name),
      cell(latency.stage),
      cell(String(total), "number"),
      cell(total ? duration(latency.sum_seconds / total) : "", "number"),
      cell(total ? half : "", "number"),
      cell(total ? most : "", "number"),
      cell(bars(latency, `${model.name}, ${latency.stage}: half within ${half}, 99 percent within ${most}`)),
    );
  });
}

// Only when the list changed: replacing the options under an open list would close it.
function offerModels(names) {
  const select = byId("model");
  if ([...select.options].map((option) => option.value).join("\n") === names.join("\n")) return;
  const chosen = select.value;
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

async function refresh() {
  try {
    const answer = await fetch("/status/models", { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const { server, models } = await answer.json();
    setText(byId("server"), `version ${server.version}, device ${server.device}, ${server.ready ? "ready" : "not ready"}`);
    byId("versions").replaceChildren(...models.flatMap(versionRows));
    byId("latencies").replaceChildren(...models.flatMap(latencyRows));
    offerModels(models.map((model) => model.name));
  } catch (error) {
    setText(byId("server"), `no answer: ${error.message}`);
  } finally {
    setTimeout(refresh, REFRESH_MS);
  }
}

function drawBox(context, found, colour, scale) {
  const { width, height } = context.canvas;
  const [top, left, bottom, right] = found.box;
  context.lineWidth = 3 * scale;
  context.strokeStyle = colour;
  context.strokeRect(left * width, top * height, (right - left) * width, (bottom - top) * height);
  const text = `${found.label} ${Math.round(found.score * 100)} %`;
  context.font = `${16 * scale}px system-ui, sans-serif`;
  const textTop = Math.max(0, top * height - 20 * scale);
  context.fillStyle = colour;
  context.fillRect(left * width, textTop, context.measureText(text).width + 8 * scale, 20 * scale);
  context.fillStyle = "#fff";
  context.fillText(text, left * width + 4 * scale, textTop + 16 * scale);
}

async function draw(file, found) {
  // Networks ignore EXIF orientation, as TensorFlow does: boxes belong to the picture as it is stored.
  const picture = await createImageBitmap(file, { imageOrientation: "none" });
  const canvas = byId("canvas");
  const shrink = Math.min(1, LARGEST_SIDE / Math.max(picture.width, picture.height));
  canvas.width = Math.max(1, Math.round(picture.width * shrink));
  canvas.height = Math.max(1, Math.round(picture.height * shrink));
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const labels = [...new Set(found.map((entry) => entry.label))];
  for (const entry of found.filter((candidate) => candidate.box)) {
    drawBox(context, entry, COLOURS[labels.indexOf(entry.label) % COLOURS.length], 1);
  }
}

function list(found) {
  return found.map((entry) => {
    const item = document.createElement("li");
    item.textContent = `${entry.label}: ${entry.score.toPrecision(3)}`;
    return item;
  });
}

async function tryPicture(file) {
  const model = byId("model").value;
  if (!file || !model) return;
  byId("outcome").textContent = `Sending ${file.name} to ${model}…`;
  byId("result").hidden = true;
  try {
    const answer = await fetch(`/status/try/${encodeURIComponent(model)}`, {
      method: "POST", headers: { "content-type": "application/octet-stream" }, body: file,
    });
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.error);
    const stages = Object.entries(content.seconds).map(([stage, seconds]) => `${stage} ${duration(seconds)}`);
    await draw(file, content.found);
    byId("found").replaceChildren(...list(content.found));
    byId("result").hidden = false;
    const count = content.found.length;
    byId("outcome").textContent =
      `${content.signature}: ${count === 0 ? "nothing found" : `${count} found`} (${stages.join(", ")})`;
  } catch (error) {
    byId("outcome").textContent = `${file.name}: ${error.message}`;
  }
}

function start() {
  const drop = byId("drop");
  byId("picture").addEventListener("change", (event) => tryPicture(event.target.files[0]));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
    });
  }
  drop.addEventListener("drop", (event) => tryPicture(event.dataTransfer.files[0]));
  refresh();
}

start();
