// One picture at a time: sent to a model, shown with what the model found, and with the time that each stage took.

import { fill, make, row } from "./tables.js";
import { bytes, count, duration, percent, score } from "./text.js";

const MOST_OBJECTS = 25;
// White text stands out from each; boxes are numbered too, since not everybody tells colours apart.
const COLOURS = ["#dc2626", "#2563eb", "#15803d", "#b45309", "#9333ea", "#0e7490"];

const byId = (id) => document.getElementById(id);

let largestBytes = Infinity;
let sending = new AbortController();
let shown = null; // the picture, what was found in it, the file's name

export function offerModels(models, maxBodyBytes) {
  largestBytes = maxBodyBytes;
  const offers = models.map((model) => [model.name, offer(model)]);
  const select = byId("model");
  const options = [...select.options].map((option) => [option.value, option.text]);
  // Only when the list changed: replacing the options under an open list would close it.
  if (JSON.stringify(options) === JSON.stringify(offers)) return;
  const chosen = select.value;
  select.replaceChildren(...offers.map(([name, text]) => new Option(text, name, false, name === chosen)));
}

function offer(model) {
  if (model.versions.some((version) => version.state === "AVAILABLE")) return model.name;
  return `${model.name} (${model.versions.some((version) => version.error) ? "did not load" : "still loading"})`;
}

function say(text, failed = false) {
  byId("outcome").textContent = text;
  byId("outcome").className = failed ? "failed" : "";
}

function refusal(file, model) {
  if (!file) return "That was no file; choose or drop a picture.";
  if (!model) return "There is no model to try: the server serves none.";
  if (file.size > largestBytes) {
    return `${file.name} has ${bytes(file.size)}, which is more than the ${bytes(largestBytes)} that the server takes.`;
  }
  return null;
}

export async function tryPicture(file) {
  const model = byId("model").value;
  sending.abort();
  byId("result").hidden = true;
  shown = null;
  const refused = refusal(file, model);
  if (refused) return say(refused, true);
  const mine = (sending = new AbortController());
  say(`Sending ${file.name} to ${model}…`);
  try {
    const answer = await ask(file, model, mine.signal);
    const shows = await open(file);
    if (!mine.signal.aborted) show(file, model, shows, answer);
  } catch (error) {
    if (!mine.signal.aborted) say(`${file.name}: ${error.message}`, true);
  }
}

async function ask(file, model, signal) {
  const began = performance.now();
  let response;
  try {
    response = await fetch(`/status/try/${encodeURIComponent(model)}`, {
      method: "POST", headers: { "content-type": "application/octet-stream" }, body: file, signal,
    });
  } catch {
    throw new Error("the server did not answer; it may have stopped, or the file may have gone.");
  }
  const content = await response.json();
  if (!response.ok) throw new Error(content.error);
  return { ...content, roundTrip: (performance.now() - began) / 1000 };
}

// Whether the browser can show a file; what the server reads, a browser may not know.
async function open(file) {
  const photograph = byId("photograph");
  URL.revokeObjectURL(photograph.src);
  photograph.src = URL.createObjectURL(file);
  return photograph.decode().then(() => true, () => false);
}

function show(file, model, shows, answer) {
  shown = { ...answer, name: file.name };
  byId("shown").hidden = !shows;
  byId("threshold").hidden = !answer.detects;
  byId("result").hidden = false;
  showFound();
  showTimes(answer);
  const total = duration(Object.values(answer.seconds).reduce((sum, seconds) => sum + seconds, 0));
  const best = answer.found[0];
  const said = answer.detects
    ? objects(scoringEnough().length)
    : `${best.label}, ${inWords(answer.found)(best.score)}`;
  const unseen = shows ? "" : " This browser cannot show the file.";
  say(`${file.name}: ${said}. ${model} took ${total}.${unseen}`);
}

const objects = (number) => `${number === 0 ? "no" : count(number)} ${number === 1 ? "object" : "objects"} found`;

function scoringEnough() {
  return shown.found.filter((entry) => !shown.detects || entry.score * 100 >= Number(byId("least").value));
}

// Probabilities as percentages; other scores as they are.
const inWords = (found) => (found.every((entry) => entry.score >= 0 && entry.score <= 1) ? percent : score);

export function showFound() {
  if (!shown) return;
  const enough = scoringEnough();
  const found = enough.slice(0, MOST_OBJECTS);
  byId("least-said").textContent = `${byId("least").value} %`;
  byId("found-title").textContent = shown.detects ? "Objects" : "Classes";
  const left = [[enough.length - found.length, "more, not drawn"], [shown.found.length - enough.length, "below the least score"]];
  const notes = left.filter(([number]) => number).map(([number, why]) => make("li", `${count(number)} ${why}`, { class: "note" }));
  byId("found").replaceChildren(...found.map(entryItem), ...notes);
  draw(found);
}

const colourOf = (entry) => {
  const labels = [...new Set(shown.found.map((each) => each.label))];
  return COLOURS[labels.indexOf(entry.label) % COLOURS.length];
};

function entryItem(entry, index) {
  const said = inWords(shown.found);
  const name = make("span", entry.label);
  const largest = Math.max(1, ...shown.found.map((each) => each.score));
  const filled = make("i");
  filled.style.width = `${Math.max(0, (entry.score / largest) * 100)}%`;
  if (entry.box) {
    const mark = make("span", String(index + 1), { class: "mark" });
    mark.style.background = filled.style.background = colourOf(entry);
    name.prepend(mark);
  }
  const track = make("span", filled, { class: "track", "aria-hidden": "true" });
  return make("li", [name, make("span", said(entry.score), { class: "number" }), track]);
}

function showTimes({ seconds, roundTrip }) {
  const timed = (name, value, kind = "") => row([
    make("th", name, { role: "rowheader", scope: "row" }), make("td", duration(value), { role: "cell", class: "number" }),
  ], kind);
  const total = Object.values(seconds).reduce((sum, value) => sum + value, 0);
  fill(byId("times"), [
    ...Object.entries(seconds).map(([stage, value]) => timed(stage, value)),
    timed("in the server", total, "sum"), timed("for this page, upload included", roundTrip),
  ]);
}

// Boxes lie above the picture and are not drawn into it: a canvas would turn it as its EXIF orientation says.
function draw(found) {
  const photograph = byId("photograph");
  const boxes = byId("boxes");
  const [width, height] = [photograph.clientWidth, photograph.clientHeight];
  boxes.width = width * devicePixelRatio;
  boxes.height = height * devicePixelRatio;
  boxes.style.width = `${width}px`;
  boxes.style.height = `${height}px`;
  const context = boxes.getContext("2d");
  context.scale(devicePixelRatio, devicePixelRatio);
  found.forEach((entry, index) => entry.box && drawBox(context, entry, index, width, height));
  photograph.alt = shown.detects ? `${shown.name}; ${objects(found.length)}, listed next to it` : shown.name;
}

function drawBox(context, entry, index, width, height) {
  const [top, left, bottom, right] = entry.box;
  const text = `${index + 1} ${entry.label} ${Math.round(entry.score * 100)} %`;
  context.lineWidth = 3;
  context.strokeStyle = context.fillStyle = colourOf(entry);
  context.strokeRect(left * width, top * height, (right - left) * width, (bottom - top) * height);
  context.font = "14px system-ui, sans-serif";
  const textWidth = context.measureText(text).width + 8;
  // Above the box where there is room, and always within the picture.
  const textTop = Math.max(0, top * height - 20);
  const textLeft = Math.max(0, Math.min(left * width - 1.5, width - textWidth));
  context.fillRect(textLeft, textTop, textWidth, 20);
  context.fillStyle = "#fff";
  context.fillText(text, textLeft + 4, textTop + 15);
}
