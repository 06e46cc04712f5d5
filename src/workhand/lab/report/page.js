
"use strict";
{
  const byId = (id) => document.getElementById(id);
  const make = (name, text, kind) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const rows = [...byId("calls").tBodies[0].rows];
  const blocks = [...byId("blocks").tBodies[0].rows].map(({ cells }) => ({
    kind: cells[0].textContent,
    bytes: +cells[1].textContent,
    first: +cells[2].textContent,
    last: +cells[3].textContent,
    entry: +cells[4].textContent,
    handle: cells[5].textContent,
    what: cells[6].textContent.trim(),
  }));
  const count = (number) => number.toLocaleString("en");

  const find = byId("find");
  const only = byId("only");
  const filter = () => {
    const words = find.value.toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const is = (row.dataset.is || "").split(" ");
      row.hidden = (only.value && !is.includes(only.value)) || !row.textContent.toLowerCase().includes(words);
      shown += !row.hidden;
    }
    byId("found").textContent = `${count(shown)} of ${count(rows.length)}`;
  };
  byId("filters").hidden = false;
  find.addEventListener("input", filter);
  only.addEventListener("input", filter);
  filter();

  const ends = { tools: -3, system: -2, summary: -1, recital: Infinity };
  const place = (block) => ends[block.kind] ?? block.entry; // in the order of the prompt
  const describe = (block, perByte) => {
    const tokens = `≈ ${count(Math.round(block.bytes * perByte))} tokens, ${count(block.bytes)} bytes`;
    return `${block.kind}: ${block.what || "(nothing)"} (${tokens}, calls ${block.first} to ${block.last})`;
  };
  const show = (number) => {
    const row = rows[number - 1];
    const panel = byId("call");
    panel.hidden = !row;
    if (!row) return;
    for (const each of rows) each.classList.toggle("chosen", each === row);
    const read = blocks.filter((block) => block.first <= number && number <= block.last);
    read.sort((a, b) => place(a) - place(b));
    const bytes = read.reduce((sum, block) => sum + block.bytes, 0);
    const tokens = +row.cells[2].textContent.replaceAll(",", "");
    const strip = make("div", "", "strip");
    const said = make("p", "Point at a block, or choose it.");
    const totals = new Map();
    for (const block of read) {
      const piece = make("i", "", `wh-${block.kind}`);
      piece.style.flexGrow = block.bytes;
      piece.title = describe(block, tokens / bytes);
      const tell = () => {
        for (const each of strip.children) each.classList.toggle("chosen", each === piece);
        said.textContent = piece.title;
        if (block.handle) {
          said.append(" ", make("code", `workhand restore ${document.body.dataset.session} ${block.handle}`));
        }
      };
      piece.addEventListener("click", tell);
      piece.addEventListener("mouseenter", tell);
      strip.append(piece);
      totals.set(block.kind, (totals.get(block.kind) || 0) + block.bytes);
    }
    const list = make("ul");
    for (const [kind, size] of totals) {
      const line = make("li");
      line.append(make("i", "", `wh-${kind}`), `${kind} ≈ ${count(Math.round((size * tokens) / bytes))} tokens`);
      list.append(line);
    }
    const remark = row.cells[9].textContent.trim();
    const head = `Call ${number}: ${row.cells[1].textContent}`;
    const facts = `${row.cells[2].textContent} tokens, ${row.cells[3].textContent} cached${remark ? "; " + remark : ""}`;
    panel.replaceChildren(make("h3", head), make("p", facts), strip, said, list);
  };
  const go = () => show(+(/^#c(\d+)$/.exec(location.hash) || [0, 0])[1]);
  const choose = (number) => {
    history.replaceState(null, "", `#c${number}`);
    show(number);
  };
  addEventListener("hashchange", go);
  byId("calls").addEventListener("click", (event) => {
    const row = event.target.closest("tbody tr");
    if (!row) return;
    event.preventDefault();
    choose(rows.indexOf(row) + 1);
  });
  go();

  const drawing = document.querySelector("#chart svg");
  const numberAt = (event) => {
    const area = [...drawing.querySelectorAll("use")].map((use) => use.getBoundingClientRect()).find((box) => box.width);
    const number = area ? Math.floor(((event.clientX - area.left) / area.width) * rows.length) + 1 : 0;
    return number >= 1 && number <= rows.length ? number : 0;
  };
  drawing.parentNode.classList.add("pickable");
  drawing.addEventListener("mousemove", (event) => {
    const row = rows[numberAt(event) - 1];
    if (!row) return;
    const cells = [...row.cells].map((cell) => cell.textContent.trim());
    const remark = cells[9] && `; ${cells[9]}`;
    byId("pointed").textContent = `call ${cells[0]}: ${cells[1]}: ${cells[2]} tokens, ${cells[3]} cached${remark}`;
  });
  drawing.addEventListener("click", (event) => {
    const number = numberAt(event);
    if (!number) return;
    choose(number);
    byId("calls").parentNode.scrollTop = rows[number - 1].offsetTop - 60;
  });
}
