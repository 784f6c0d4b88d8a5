// Numbers as people read them.

const significant = new Intl.NumberFormat("en", { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const UNITS = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];

export const count = (value) => whole.format(value);

export const score = (value) => significant.format(value);

export const percent = (share) => (share > 0 && share < 5e-4 ? "< 0.1 %" : `${(share * 100).toFixed(1)} %`);

export const bytes = (value) => `${significant.format(value / 1e6)} MB`;

export const rate = (value) => (value === 0 ? "0" : significant.format(value));

export function duration(seconds) {
  const [size, unit] = UNITS.find(([limit]) => seconds >= limit * 0.9995) ?? UNITS.at(-1);
  return `${significant.format(seconds / size)} ${unit}`;
}

export const quantile = ({ seconds, at_least: atLeast }) => `${atLeast ? "≥ " : ""}${duration(seconds)}`;
