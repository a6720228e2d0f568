// SPDX-License-Identifier: Apache-2.0
// The data that the page carries: JSON, and deflated columns of numbers (see packing.py).

function json(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// Deflated bytes as the so many that they were.
async function inflated(bytes, length) {
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter();
  const written = writer.write(bytes).then(() => writer.close());
  const whole = new Uint8Array(length);
  let filled = 0;
  for (const reader = stream.readable.getReader(); ; ) {
    const { value, done } = await reader.read();
    if (done) break;
    whole.set(value, filled);
    filled += value.length;
  }
  await written;
  return whole;
}

// Four planes of bytes as numbers of 32 bits.
function word(planes, rows, first, width) {
  const numbers = new Uint32Array(rows);
  for (let plane = first; plane < Math.min(width, first + 4); plane++) {
    const from = plane * rows;
    const shift = 8 * (plane - first);
    for (let i = 0; i < rows; i++) numbers[i] |= planes[from + i] << shift;
  }
  return numbers;
}

// Zigzag-coded differences as the numbers they lead to, exact up to 2^53.
function walked(low, high) {
  const numbers = new Float64Array(low.length);
  let sum = 0;
  for (let i = 0; i < low.length; i++) {
    const zigzag = high ? high[i] * 4294967296 + low[i] : low[i];
    sum += low[i] & 1 ? -(zigzag + 1) / 2 : zigzag / 2;
    numbers[i] = sum;
  }
  return numbers;
}

// A column: {low, high}, high is null where 32 bits hold every number.
async function column(name, facts) {
  const element = document.getElementById(`column-${name}`);
  const { width, steps } = facts.columns[name];
  const planes = await inflated(fromBase64(element.textContent), width * facts.rows);
  element.remove();
  if (width === 1 && !steps) return { low: planes, high: null };
  const low = word(planes, facts.rows, 0, width);
  const high = width > 4 ? word(planes, facts.rows, 4, width) : null;
  return steps ? { low: walked(low, high), high: null } : { low, high };
}

async function columns(facts) {
  const names = Object.keys(facts.columns);
  const found = await Promise.all(names.map((name) => column(name, facts)));
  return Object.fromEntries(names.map((name, i) => [name, found[i]]));
}
