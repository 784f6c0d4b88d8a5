// A histogram with its axes: time to the right, every bucket as wide as the next, requests upwards.

import { count } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [320, 72, 44, 312, 8, 54];
const TICKS = [[1e-4, "0.1 ms"], [1e-3, "1 ms"], [1e-2, "10 ms"], [1e-1, "100 ms"], [1, "1 s"], [10, "10 s"]];

function shape(name, attributes, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

const label = (x, y, anchor, text) => shape("text", { x, y, "text-anchor": anchor }, text);

function bars(counts, width, largest) {
  return counts.map((value, index) => {
    // One request among thousands is still seen.
    const height = value === 0 ? 0 : Math.max(1, (value / largest) * (BOTTOM - TOP));
    return shape("rect", { x: LEFT + index * width + 1, y: BOTTOM - height, width: width - 2, height });
  });
}

function timeAxis(limits, width) {
  const growth = Math.log(limits.at(-1) / limits[0]) / (limits.length - 1);
  const ticks = TICKS.filter(([seconds]) => seconds >= limits[0] && seconds <= limits.at(-1)).map(([seconds, text]) => [
    LEFT + (1 + Math.log(seconds / limits[0]) / growth) * width, text,
  ]);
  const marks = ticks.map(([x]) => `M${x} ${BOTTOM}v4`).join("");
  return [shape("path", { d: `M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}${marks}` }),
    ...ticks.map(([x, text]) => label(x, BOTTOM + 15, "middle", text))];
}

// limits: upper ends of all buckets but the last, in seconds, each the same multiple of the one before.
export function chart(limits, counts, description) {
  const svg = shape("svg", {
    class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": description,
  });
  const largest = Math.max(...counts, 1);
  const width = (RIGHT - LEFT) / counts.length;
  svg.append(...bars(counts, width, largest), ...timeAxis(limits, width));
  svg.append(label(LEFT - 4, TOP + 5, "end", count(largest)), label(LEFT - 4, BOTTOM, "end", "0"));
  return svg;
}
