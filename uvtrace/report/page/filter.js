// SPDX-License-Identifier: Apache-2.0
// Which transactions are shown. Texts are searched once each, not once for every row.

const NUMBER = /^(0x[0-9a-f]+|\d+)$/i;

function numberOf(text) {
  return NUMBER.test(text) ? BigInt(text.toLowerCase()) : null;
}

// "0x1000", "0x1000-0x1fff", "0x1000+256" as the first and the last byte; null is no range.
function addressRange(text) {
  const parts = text.replace(/\s/g, "").split(/([-+])/);
  const first = numberOf(parts[0]);
  if (first === null || parts.length === 2 || parts.length > 3) return null;
  if (parts.length === 1) return [first, first];
  const second = numberOf(parts[2]);
  if (second === null) return null;
  const last = parts[1] === "-" ? second : first + second - 1n;
  return last >= first ? [first, last] : null;
}

function atLeast(column, i, high, low) {
  const top = column.high ? column.high[i] : 0;
  return top > high || (top === high && column.low[i] >= low);
}

function equals(column, i, high, low) {
  return column.low[i] === low && (column.high ? column.high[i] : 0) === high;
}

function halves(number) {
  return [Number((number >> 32n) & 0xffffffffn), Number(number & 0xffffffffn)];
}

// A test of rows for one word of the text: any cell that shows it will do.
function wordTest(word, data) {
  if (/^#\d+$/.test(word)) {
    const wanted = Number(word.slice(1));
    return (i) => data.columns.seq.low[i] === wanted;
  }
  const found = (texts) => Uint8Array.from(texts, (text) => text.toLowerCase().includes(word));
  const kinds = found(data.facts.kinds.map((kind) => kind.name));
  const functions = found(data.facts.functions);
  const cells = Object.entries(data.words).map(([name, texts]) => [data.columns[name].low, found(texts)]);
  const { kind, function: own, value, address } = data.columns;
  const number = numberOf(word);
  const [high, low] = number === null || number >> 64n ? [-1, -1] : halves(number);
  return (i) => {
    if (kinds[kind.low[i]] || functions[own.low[i]]) return true;
    for (const [column, hits] of cells) if (hits[column[i]]) return true;
    return equals(value, i, high, low) || equals(address, i, high, low);
  };
}

// A transaction meets a range if one of its bytes is in it.
function addressTest(range, data) {
  const { address, length, kind } = data.columns;
  const [firstHigh, firstLow] = halves(range[0]);
  const [lastHigh, lastLow] = halves(range[1]);
  return (i) => {
    if (!data.sized[kind.low[i]] && !data.addressed[kind.low[i]]) return false;
    const afterLast =
      atLeast(address, i, lastHigh, lastLow) && !equals(address, i, lastHigh, lastLow);
    if (afterLast) return false;
    if (atLeast(address, i, firstHigh, firstLow)) return true;
    const [begin, size] = [address, length].map(
      (each) => (BigInt(each.high ? each.high[i] : 0) << 32n) | BigInt(each.low[i]),
    );
    return begin + size > range[0];
  };
}

// The rows that pass all tests, or null for all rows.
function filtered(wish, data) {
  const tests = [];
  if (wish.kinds) tests.push((i) => wish.kinds[data.columns.kind.low[i]]);
  if (wish.function !== null) tests.push((i) => data.columns.function.low[i] === wish.function);
  if (wish.proof) tests.push((i) => data.roles.has(data.columns.seq.low[i]));
  if (wish.time) {
    const [from, to] = wish.time;
    tests.push((i) => data.columns.time.low[i] >= from && data.columns.time.low[i] <= to);
  }
  if (wish.address) tests.push(addressTest(wish.address, data));
  for (const word of wish.words) tests.push(wordTest(word, data));
  if (!tests.length) return null;
  const rows = new Uint32Array(data.facts.rows);
  let count = 0;
  for (let i = 0; i < data.facts.rows; i++) if (tests.every((test) => test(i))) rows[count++] = i;
  return rows.slice(0, count);
}

class Filter {
  constructor(data, changed) {
    this.data = data;
    this.changed = changed;
    this.time = null;
    this.off = new Set();
    this.text = document.getElementById("filter-text");
    this.address = document.getElementById("filter-address");
    this.function = document.getElementById("filter-function");
    this.proof = document.getElementById("filter-proof");
    this.error = document.getElementById("filter-error");
    this.chips = document.getElementById("filter-kinds");
    this.build();
    this.listen();
  }

  build() {
    this.data.facts.functions.forEach((name, index) => {
      const option = make("option", "", name);
      option.value = String(index);
      this.function.append(option);
    });
    const counts = this.data.facts.groups.map(() => 0);
    const group = this.data.facts.kinds.map((kind) => kind.group);
    const kinds = this.data.columns.kind.low;
    for (let i = 0; i < kinds.length; i++) counts[group[kinds[i]]]++;
    this.data.facts.groups.forEach(({ name, title }, index) => {
      if (!counts[index]) return;
      const chip = make("button", "chip", "");
      chip.type = "button";
      chip.setAttribute("aria-pressed", "true");
      chip.append(make("i", `swatch fill-${name}`), `${title} `, make("b", "", counts[index].toLocaleString("en")));
      chip.addEventListener("click", () => this.toggle(chip, index));
      this.chips.append(chip);
    });
    this.range = make("button", "chip", "");
    this.range.type = "button";
    this.range.hidden = true;
    this.range.addEventListener("click", () => this.setTime(null));
    this.chips.append(this.range);
  }

  listen() {
    let waiting = 0;
    const soon = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.apply(), 120);
    };
    this.text.addEventListener("input", soon);
    this.address.addEventListener("input", soon);
    this.function.addEventListener("change", () => this.apply());
    this.proof.addEventListener("change", () => this.apply());
    document.getElementById("filter").addEventListener("submit", (event) => {
      event.preventDefault();
      this.apply();
    });
    document.getElementById("filter-clear").addEventListener("click", () => this.clear());
  }

  toggle(chip, group) {
    if (this.off.has(group)) this.off.delete(group);
    else this.off.add(group);
    chip.setAttribute("aria-pressed", String(!this.off.has(group)));
    this.apply();
  }

  setTime(range) {
    this.time = range;
    this.range.hidden = !range;
    if (range) this.range.textContent = `${timeText(range[0], range[1] - range[0])} to ${timeText(range[1], range[1] - range[0])} ✕`;
    this.apply();
  }

  clear() {
    this.text.value = this.address.value = this.function.value = "";
    this.proof.checked = false;
    this.off.clear();
    for (const chip of this.chips.children) chip.setAttribute("aria-pressed", "true");
    this.setTime(null);
  }

  apply() {
    const address = this.address.value.trim();
    const range = address ? addressRange(address) : null;
    this.error.hidden = !address || range !== null;
    this.error.textContent = `${address} is no address: 0x1000, 0x1000-0x1fff or 0x1000+256`;
    const wish = {
      words: this.text.value.toLowerCase().split(/\s+/).filter(Boolean),
      address: range,
      function: this.function.value === "" ? null : Number(this.function.value),
      proof: this.proof.checked,
      time: this.time,
      kinds: this.off.size
        ? Uint8Array.from(this.data.facts.kinds, (kind) => !this.off.has(kind.group))
        : null,
    };
    this.changed(filtered(wish, this.data));
  }
}
